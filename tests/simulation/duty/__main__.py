"""Many simulated duties: `python -m tests.simulation.duty --runs 10000 --jobs 2`; names failing seeds.

Each seed plays two runs: one process and its channels, and two processes of which one is the standby.
"""

from __future__ import annotations

import argparse
import logging
import sys
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

import click

from tests.simulation.duty.duty_invariants import violations_of
from tests.simulation.duty.standby_invariants import standby_violations_of


def broken_by(seed: int) -> list[str]:
    """Return what the two runs of a seed break."""
    return [*violations_of(seed), *standby_violations_of(seed)]


def main() -> int:
    """Run the requested seeds; return 1 when an invariant is violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.duty", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="how many seeds (default: 1,000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args()
    begun, failed = perf_counter(), 0
    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    logging.disable(logging.CRITICAL)  # simulated processes log their faults
    with ProcessPoolExecutor(arguments.jobs, initializer=logging.disable) as pool:
        found = map(broken_by, seeds) if arguments.jobs == 1 else pool.map(broken_by, seeds, chunksize=8)
        for seed, broken in zip(seeds, found, strict=True):
            if broken:
                failed += 1
                click.echo(f"seed {seed}: {len(broken)} broken, first: {broken[0]}")
    minutes = (perf_counter() - begun) / 60
    click.echo(f"{len(seeds)} runs, {failed} failed, {len(seeds) / minutes:.0f} runs a minute")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
