"""Runs of equal values that are stuck as a whole: the first ones are found later.

The check of one observation finds a run stuck after its rule's number and duration. All values of the run are
suspect then; those before have FOUND_LATER beside STUCK.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.instant import Duration, Instant
from twin.model.observation import Observation
from twin.quality.constant_run import ACTIVITY_MEMORY, ConstantRun
from twin.quality.quality_flags import STUCK_FOUND_LATER, QualityFlag
from twin.quality.quality_rules import QualityRules

# A plain integer: the operators of an enumeration cost a microsecond each.
_STUCK = int(QualityFlag.STUCK)


def is_stuck_by_itself(assessed: Observation, received: Observation) -> bool:
    """Return whether the run of an observation is stuck at this observation already."""
    return assessed.flags & STUCK_FOUND_LATER == _STUCK and not received.flags & _STUCK


def mark_stuck_runs(received: Sequence[Observation], assessed: list[Observation]) -> None:
    """Add STUCK and FOUND_LATER to the values of each run that were measured before it was stuck.

    A run is stuck once one of its values is. `received` and `assessed` are the same observations, ascending;
    the first may continue a run.
    """
    is_found = False
    following = None
    for index in range(len(received) - 1, -1, -1):
        if received[index].value != following:
            following, is_found = received[index].value, False
        observation = assessed[index]
        if is_stuck_by_itself(observation, received[index]):
            is_found = True
        elif is_found:
            assessed[index] = observation._replace(flags=observation.flags | STUCK_FOUND_LATER)


@dataclass(frozen=True, slots=True)
class LongRun:
    """A run of this number and duration is stuck by every rule, whatever was before it."""

    count: int
    duration: Duration

    def reached_by(self, run: ConstantRun, time: Instant) -> bool:
        """Return whether a run that ends at a time is that long."""
        return run.count >= self.count and time - run.start >= self.duration


def long_run(rules: QualityRules) -> LongRun | None:
    """Return how long a run must be for its beginning not to matter; None without a rule for runs."""
    stuck, nulls = rules.stuck, rules.null_values
    found = None
    if stuck is not None:
        found = LongRun(stuck.count, stuck.duration_min)
    if nulls is not None and nulls.duration_min is not None:
        known = found if found is not None else LongRun(0, 0)
        found = LongRun(max(known.count, nulls.count), max(known.duration, nulls.duration_min))
    return found


def activity_memory(rules: QualityRules) -> Duration:
    """Return how long after an observation the verdict on a run may depend on it."""
    stuck = rules.stuck
    return ACTIVITY_MEMORY if stuck is not None and stuck.active_duration_min is not None else 0


def has_clearable_rules(rules: QualityRules) -> bool:
    """Return whether a finding can be withdrawn by following observations."""
    found = (rules.spike, rules.rate_max, rules.isolated, rules.null_values)
    return any(rule is not None for rule in found)
