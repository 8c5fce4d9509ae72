"""Many simulated runs from the command line: `python -m tests.simulation --runs 10000 --jobs 2`.

Prints the rate, the failing seeds, and the smallest failing case with the command that repeats it.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from functools import partial
from time import perf_counter

import click

from tests.simulation.scenario import MESSAGES_MAX, SENSORS_MAX, Scenario, shrink
from tests.simulation.simulated_city import violations_of

SHOWN_MAX = 5
PARTS = [one.name for one in fields(Scenario) if one.default is True]
MORE_PARTS = [one.name for one in fields(Scenario) if one.default is False]


def main() -> int:
    """Run the requested scenarios; return 1 when an invariant is violated."""
    arguments = _arguments()
    scenario_of = partial(
        Scenario,
        sensors=arguments.sensors,
        messages=arguments.messages,
        **dict.fromkeys(arguments.without, False),
        **dict.fromkeys(getattr(arguments, "with"), True),
    )
    first = arguments.seed if arguments.seed is not None else 0
    runs = arguments.runs or (1 if arguments.seed is not None else 1_000)
    scenarios = [scenario_of(seed=seed) for seed in range(first, first + runs)]
    begun = perf_counter()
    failed: list[tuple[Scenario, list[str]]] = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        found = (
            map(violations_of, scenarios) if runs == 1 else pool.map(violations_of, scenarios, chunksize=8)
        )
        for number, (scenario, broken) in enumerate(zip(scenarios, found, strict=True), 1):
            if broken:
                failed.append((scenario, broken))
                click.echo(f"seed {scenario.seed}: {len(broken)} broken, first: {broken[0][:500]}")
            if number % 1_000 == 0:
                click.echo(f"{number} runs, {len(failed)} failed, {_rate(number, begun)}")
    click.echo(f"{runs} runs, {len(failed)} failed, {_rate(runs, begun)}")
    if failed:
        _show_smallest(failed)
    return 1 if failed else 0


def _rate(runs: int, begun: float) -> str:
    return f"{runs / (perf_counter() - begun) * 60:.0f} runs a minute"


def _show_smallest(failed: list[tuple[Scenario, list[str]]]) -> None:
    scenario, _ = min(failed, key=lambda one: len(one[1]))
    smallest = shrink(scenario, violations_of)
    click.echo(f"smallest failing case: python -m tests.simulation {smallest.command_options()}")
    for words in violations_of(smallest)[:SHOWN_MAX]:
        click.echo(f"  {words}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, help="how many seeds, from --seed on (default: 1,000, or 1 seed)")
    parser.add_argument("--seed", type=int, help="the first seed (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--sensors", type=int, default=SENSORS_MAX, help="at most this many single sensors")
    parser.add_argument("--messages", type=int, default=MESSAGES_MAX, help="at most this many messages")
    parser.add_argument(
        "--without", action="append", default=[], choices=PARTS, help="omit a part of the scenario"
    )
    parser.add_argument(
        "--with", action="append", default=[], choices=MORE_PARTS, help="add a part to the scenario"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
