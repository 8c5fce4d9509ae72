"""Counting: how much a counter counted up to each of its readings, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from twin.instant import Instant
from twin.model.datastream_policy import Terms
from twin.model.observation import Observation
from twin.quality.quality_flags import takes_part
from twin.state.counter import increase

Register: TypeAlias = tuple[Instant, float]
"""A reading that the next one is compared with: phenomenon time and value."""


def counted_up_to(register: Register | None, one: Observation, terms: Terms) -> tuple[float, Register | None]:
    """Return what was counted up to a reading, and what the next is compared with; 0 for other properties.

    A reading that is suspect counts nothing, and nothing is compared with it.
    """
    if terms.aggregation != "counter" or not takes_part(one.flags):
        return 0.0, register
    if register is None:
        return 0.0, (one.phenomenon_time, one.value)
    reading = one.phenomenon_time, one.value
    counted = increase(register, reading, wraps_at=terms.wraps_at, rate_max=terms.rate_max)
    return counted.amount, (one.phenomenon_time, counted.register)


def counts_of(
    register: Register | None, readings: Iterable[Observation], terms: Terms
) -> dict[Instant, float]:
    """Return what was counted up to each reading, by its phenomenon time; nothing of other properties."""
    counts: dict[Instant, float] = {}
    if terms.aggregation == "counter":
        for one in readings:
            counts[one.phenomenon_time], register = counted_up_to(register, one, terms)
    return counts
