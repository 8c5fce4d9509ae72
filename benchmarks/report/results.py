"""Results of a case as JSON, for a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.measure.machine import describe_code
from runtime.clock import system_clock
from twin.instant import SECOND, format_instant, to_datetime

CHECKOUT = Path(__file__).parents[2]
OUT = CHECKOUT / "benchmarks" / "out"


def write_results(case: str, document: dict[str, Any]) -> None:
    """Write what a case found into `benchmarks/out`, with the time and the commit; say where."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{to_datetime(system_clock()):%Y%m%dT%H%M%SZ}-{case}.json"
    path.write_text(json.dumps({**results_header(case), **document}, indent=2) + "\n")
    print(f"numbers are in {path.relative_to(CHECKOUT)}")


def results_header(case: str) -> dict[str, str]:
    """Return what every document begins with."""
    now = system_clock() // SECOND * SECOND
    return {"case": case, "time": format_instant(now), "commit": describe_code(CHECKOUT)}
