"""Many simulated duties: `python -m tests.simulation.duty --runs 10000 --jobs 2`; names failing seeds."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

import click

from tests.simulation.duty.duty_invariants import violations_of


def main() -> int:
    """Run the requested seeds; return 1 when an invariant is violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.duty", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="how many seeds (default: 1,000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args()
    begun, failed = perf_counter(), 0
    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        found = (
            map(violations_of, seeds) if arguments.jobs == 1 else pool.map(violations_of, seeds, chunksize=8)
        )
        for seed, broken in zip(seeds, found, strict=True):
            if broken:
                failed += 1
                click.echo(f"seed {seed}: {len(broken)} broken, first: {broken[0]}")
    minutes = (perf_counter() - begun) / 60
    click.echo(f"{len(seeds)} runs, {failed} failed, {len(seeds) / minutes:.0f} runs a minute")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
