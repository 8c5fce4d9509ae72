"""Fuzzing for any length of time: `python -m tests.fuzz --seconds 600 [--seed N] [--only NAME]`.

Prints the seed, and the number of inputs and of outcomes for each target. An input that breaks a law is
written to `--out`; once the fault is fixed, move it to `tests/fuzz/fixtures/`.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
from pathlib import Path

import click

from tests.fuzz.engine import FuzzReport, fuzz, save_crash
from tests.fuzz.targets import targets

INPUTS_MAX = 10**9


def main() -> int:
    """Fuzz each target for an equal share of the time; return 1 when a law was broken."""
    arguments = _arguments()
    logging.disable(logging.CRITICAL)
    chosen = [one for one in targets() if arguments.only in one.name]
    if not chosen:
        click.echo(
            f"no target has {arguments.only!r} in its name; there are {', '.join(t.name for t in targets())}"
        )
        return 2
    click.echo(f"seed {arguments.seed}, {len(chosen)} targets, {arguments.seconds:.0f} s")
    share = arguments.seconds / len(chosen)
    reports = [fuzz(one, arguments.seed, inputs=INPUTS_MAX, seconds=share) for one in chosen]
    for report in reports:
        _show(report, arguments.out)
    return 1 if any(one.crash for one in reports) else 0


def _show(report: FuzzReport, out: Path) -> None:
    click.echo(f"{report.target}: {report.inputs} inputs, {len(report.outcomes)} outcomes")
    if report.crash is not None:
        click.echo(f"  BROKEN {report.crash}\n  kept in {save_crash(report.crash, out)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="in all, shared by the targets")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="makes a run again")
    parser.add_argument("--only", default="", help="targets with this in their name")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="folder for what breaks a law")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
