"""The simulated duty: alarms, people and channels by seed, with kills; and planted bugs that it finds.

`python -m tests.simulation.duty --runs 10000 --jobs 2` runs many more seeds.
"""

from __future__ import annotations

import logging
import os

import pytest

from tests.simulation.duty.duty_invariants import violations_of
from tests.simulation.duty.duty_mutants import MUTANTS
from tests.simulation.duty.duty_run import DutyRun

log = logging.getLogger(__name__)

RUNS = int(os.environ.get("LIVETWIN_DUTY_SIMULATION_RUNS", "80"))
GROUPS = 4

SEEDS_TO_FIND_MAX = 80
"""Each planted bug is found within this many seeds."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_no_invariant_of_the_duty_is_broken(group: int) -> None:
    for seed in range(group, RUNS, GROUPS):
        broken = violations_of(seed)
        assert not broken, f"python -m tests.simulation.duty --runs 1 --seed {seed}: {broken[0]}"


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_planted_bug_of_the_duty_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(SEEDS_TO_FIND_MAX):
        with monkeypatch.context() as patch:
            MUTANTS[name](patch)
            broken = violations_of(seed)
        if broken and not violations_of(seed):
            log.warning("%s: found after %d seeds: %s", name, seed + 1, broken[0])
            return
    raise AssertionError(f"{name} was not found in {SEEDS_TO_FIND_MAX} seeds")


def test_a_duty_is_the_same_duty_each_time() -> None:
    def outcome(seed: int) -> tuple[object, ...]:
        run = DutyRun(seed)
        run.run()
        return run.events, run.attempts, run.kills

    assert outcome(3) == outcome(3)


def test_the_simulated_duties_contain_what_they_are_to_test() -> None:
    runs = [DutyRun(seed) for seed in range(20)]
    for run in runs:
        run.run()
    assert any(run.kills for run in runs)
    assert any(use.acknowledged for run in runs for use in run.links)
    assert any(attempt.message.parts for run in runs for attempt in run.attempts)
    assert {attempt.mode for run in runs for attempt in run.attempts} == {"works", "slow", "fails", "hangs"}
    assert any(event.outcome == "withdrawn" for run in runs for event in run.events)
