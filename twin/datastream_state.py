"""The state of a datastream: its newest measured value, whatever the order of arrival.

The law: after any sequence of observations the state is the greatest of them by
(phenomenon_time, received_time, value). A maximum does not depend on order, so neither does the state.
"""

from __future__ import annotations

from typing import TypeAlias

from twin.instant import Duration
from twin.observation import Observation, Outcome

DatastreamState: TypeAlias = Observation
"""The observation that is the state."""


def classify(
    state: DatastreamState | None, observation: Observation, future_max: Duration
) -> tuple[DatastreamState | None, Outcome]:
    """Return the state after an observation, and what the observation did to it.

    A duplicate that was received later moves the state's `received_time` on, and nothing else: otherwise a
    value that was corrected and corrected back would depend on the order of arrival.
    """
    if observation.phenomenon_time - observation.received_time > future_max:
        return state, Outcome.FUTURE
    if state is None or observation.phenomenon_time > state.phenomenon_time:
        return observation, Outcome.ACCEPTED
    if observation.phenomenon_time < state.phenomenon_time:
        return state, Outcome.LATE
    wins = _rank(observation) > _rank(state)
    if observation.value == state.value and observation.flags == state.flags:
        return (observation if wins else state), Outcome.DUPLICATE
    return (observation, Outcome.CORRECTION) if wins else (state, Outcome.SUPERSEDED)


def _rank(observation: Observation) -> tuple[int, float, int]:
    return observation.received_time, observation.value, observation.flags
