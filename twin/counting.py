"""Counting: how much a counter counted up to each of its readings, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from twin.instant import Instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.quality.quality_flags import is_usable
from twin.state.counter import counter_increase

RegisterReading: TypeAlias = tuple[Instant, float]
"""A reading that the next one is compared with: phenomenon time and value."""


def increase_up_to(
    register: RegisterReading | None, one: Observation, terms: DatastreamPolicy
) -> tuple[float, RegisterReading | None]:
    """Return what was counted up to a reading, and what the next is compared with; 0 for other properties.

    A reading that is suspect counts nothing, and nothing is compared with it.
    """
    if terms.aggregation != "counter" or not is_usable(one.flags):
        return 0.0, register
    if register is None:
        return 0.0, (one.phenomenon_time, one.value)
    reading = one.phenomenon_time, one.value
    counted = counter_increase(register, reading, wraps_at=terms.wraps_at, rate_max=terms.rate_max)
    return counted.amount, (one.phenomenon_time, counted.register)


def increases_of(
    register: RegisterReading | None, readings: Iterable[Observation], terms: DatastreamPolicy
) -> dict[Instant, float]:
    """Return what was counted up to each reading, by its phenomenon time; nothing of other properties."""
    counts: dict[Instant, float] = {}
    if terms.aggregation == "counter":
        for one in readings:
            counts[one.phenomenon_time], register = increase_up_to(register, one, terms)
    return counts
