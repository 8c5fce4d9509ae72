"""The last committed run on a machine like this one: what the next run is compared with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report.figures import Figure, from_json
from benchmarks.report.results import CHECKOUT, results_header

RESULTS = Path(__file__).parent / "results"


def reference_path(machine: Mapping[str, Any]) -> Path:
    """Return where the figures of a machine are: named after processor and cores, never after a host."""
    words = re.sub(r"[^a-z0-9]+", "-", str(machine["cpu"]).lower().replace("(r)", "")).strip("-")
    return RESULTS / f"{machine['cores']}-cores-{words}.json"


def reference_figures(machine: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of the last run on a machine like this; none when there is none."""
    path = reference_path(machine)
    return from_json(json.loads(path.read_text())["figures"]) if path.exists() else []


def write_reference(document: Mapping[str, Any]) -> None:
    """Write a run where the next one looks for it; it is to be committed."""
    path = reference_path(document["machine"])
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**results_header("reach"), **document}, indent=1) + "\n")
    print(f"the next run is compared with {path.relative_to(CHECKOUT)}")
