"""docker-compose.yml as the tests read it."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any

import yaml

from tests.support.repository import ROOT

VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@cache
def compose_file() -> dict[str, Any]:
    """Return the file, its anchors resolved and its variables not."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def image_of(service: str) -> str:
    """Return the image of a service: what the environment says, else the file's default."""
    image: str = compose_file()["services"][service]["image"]
    return VARIABLE.sub(lambda found: os.environ.get(found[1]) or found[2], image)


def run_name() -> str:
    """Return what the names of containers, volumes and networks of this run of tests begin with."""
    return f"livetwin-test-{os.environ.get('TEST_RUN', '0')}"
