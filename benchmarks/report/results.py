"""Results of a case as JSON files, and the last committed run for comparison."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure.machine import describe_code
from benchmarks.report.figures import Figure, from_json
from runtime.clock import system_clock
from twin.instant import SECOND, format_instant, to_datetime

CHECKOUT = Path(__file__).parents[2]
OUT = CHECKOUT / "benchmarks" / "out"


def write_results(case: str, document: dict[str, Any]) -> None:
    """Write the results of a case into `benchmarks/out`, with time and commit; print the path."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{to_datetime(system_clock()):%Y%m%dT%H%M%SZ}-{case}.json"
    path.write_text(json.dumps({**results_header(case), **document}, indent=2) + "\n")
    print(f"the results are in {path.relative_to(CHECKOUT)}")


def results_header(case: str) -> dict[str, str]:
    """Return the members at the beginning of every document."""
    now = system_clock() // SECOND * SECOND
    return {"case": case, "time": format_instant(now), "commit": describe_code(CHECKOUT)}


RESULTS = CHECKOUT / "benchmarks" / "results"


def reference_path(machine: Mapping[str, Any]) -> Path:
    """Return the file of the figures of a machine, named after processor and cores, never after a host."""
    processor = re.sub(r"[^a-z0-9]+", "-", str(machine["cpu"]).lower().replace("(r)", "")).strip("-")
    return RESULTS / f"{machine['cores']}-cores-{processor}.json"


def reference_figures(machine: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of the last run on such a machine; empty without one."""
    path = reference_path(machine)
    return from_json(json.loads(path.read_text())["figures"]) if path.exists() else []


def write_reference(document: Mapping[str, Any]) -> None:
    """Write a run as the reference for the next ones; it must be committed."""
    path = reference_path(document["machine"])
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**results_header("reach"), **document}, indent=1) + "\n")
    print(f"the next runs are compared with {path.relative_to(CHECKOUT)}")
