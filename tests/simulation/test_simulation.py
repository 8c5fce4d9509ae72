"""The deterministic simulation: whole cities with faults, crashes and restarts, by seed.

`python -m tests.simulation --runs 10000 --jobs 2` runs many more seeds.
"""

from __future__ import annotations

import logging
import os
from functools import partial

import pytest

from tests.simulation.mutants import FIRST_SEEDS, MUTANTS, PARTS_NEEDED
from tests.simulation.scenario import Scenario, shrink
from tests.simulation.simulated_city import SimulatedCity, violations_of

log = logging.getLogger(__name__)

RUNS = int(os.environ.get("LIVETWIN_SIMULATION_RUNS", "160"))
GROUPS = 8

FAILED_ONCE = (
    *(1567, 1636, 2076, 2111, 2828, 3046, 3926, 4044, 4203, 4751, 5218, 6088, 6440, 6933, 7098, 7206, 7641),
    *(3403, 11581, 12310, 12394, 13152, 15192, 17725, 17847, 40004, 40196, 41467),
    *(109, 1643, 1936, 3160, 4756, 11686, 15906, 19465, 40202, 103119, 105682, 108048, 111472),
    *(112093, 115705, 120946, 140210),
)
"""Seeds that have failed, each for a reason of its own."""

SEEDS_TO_FIND_MAX = 100
"""Each planted bug is found within this many seeds; `pytest -rP` shows how many were needed."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_no_invariant_is_broken(group: int) -> None:
    for seed in range(group, RUNS, GROUPS):
        _assert_unbroken(seed)


@pytest.mark.parametrize("seed", FAILED_ONCE)
def test_a_seed_that_failed_once_passes(seed: int) -> None:
    _assert_unbroken(seed)


def _assert_unbroken(seed: int) -> None:
    scenario = Scenario(seed=seed)
    broken = violations_of(scenario)
    assert not broken, (
        f"python -m tests.simulation {scenario.command_options()} plays it again; {len(broken)} "
        "broken, first: "
        f"{broken[0]}"
    )


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _first_seed_found(name, monkeypatch)
    log.warning("%s: found after %d seeds", name, found + 1)


def _first_seed_found(name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the first seed that fails with a planted bug and passes without it."""
    scenario_of = partial(Scenario, **dict.fromkeys(PARTS_NEEDED.get(name, ()), True))
    first = FIRST_SEEDS.get(name, 0)
    for seed in range(first, first + SEEDS_TO_FIND_MAX):
        with monkeypatch.context() as patch:
            MUTANTS[name](patch)
            broken = violations_of(scenario_of(seed=seed))
        if broken and not violations_of(scenario_of(seed=seed)):
            return seed - first
    raise AssertionError(f"{name} was not found in {SEEDS_TO_FIND_MAX} seeds")


def test_a_run_is_the_same_run_each_time() -> None:
    def outcome(seed: int) -> tuple[object, ...]:
        city = SimulatedCity(Scenario(seed=seed))
        city.run()
        database = city.database
        return database.observations, database.aggregates, repr(database.updates), database.ledger

    assert outcome(3) == outcome(3)


def test_a_broken_run_is_cut_down_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = _first_seed_found("count_a_duplicate_twice", monkeypatch)
    MUTANTS["count_a_duplicate_twice"](monkeypatch)
    smallest = shrink(Scenario(seed=seed), violations_of)
    assert violations_of(smallest)
    assert smallest.messages < Scenario(seed=seed).messages
    assert f"--seed {seed}" in smallest.command_options()
