"""Reads docker-compose.yml."""

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
    """Return the file with its anchors resolved, but not its variables."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def image_of(service: str) -> str:
    """Return the image of a service, from the environment or the file's default."""
    image: str = compose_file()["services"][service]["image"]
    return VARIABLE.sub(lambda found: os.environ.get(found[1]) or found[2], image)


def run_name() -> str:
    """Return the prefix of all containers, volumes and networks of this test run."""
    return f"livetwin-test-{os.environ.get('TEST_RUN', '0')}"
