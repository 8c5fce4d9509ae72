"""Observations, and what becomes of one."""

from __future__ import annotations

from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple

from twin.instant import Instant
from twin.quality.quality_check import QualityResult


class Observation(NamedTuple):
    """One measured value of one datastream, in the canonical unit.

    A named tuple, because hundreds of thousands pass per second. The key is
    (datastream, phenomenon_time): the same key with the same value is a duplicate, with another value a
    correction, of which the later received wins.
    """

    datastream: int
    phenomenon_time: Instant  #: when it was true in the city
    received_time: Instant  #: when we got it
    value: float
    flags: int = 0  #: `twin.quality.quality_flags.QualityFlag`


BY_TIME = itemgetter(1)
"""The phenomenon time of an observation, as a key to sort and search by."""


class ObservationOutcome(StrEnum):
    """What an observation did to the state of its datastream. Each ends in exactly one."""

    ACCEPTED = "accepted"  #: newer than what was known: it is the state now
    CORRECTION = "correction"  #: as old as the state, received later, another value: it is the state now
    DUPLICATE = "duplicate"  #: same time, same value
    SUPERSEDED = "superseded"  #: as old as the state, another value, received earlier: it lost
    LATE = "late"  #: older than the state: part of its windows and of history
    REPAIR = "repair"  #: too old for the windows in memory: history, from which they are made again
    FUTURE = "future"  #: dated too far ahead of its reception: refused


class ObservationResult(NamedTuple):
    """What an observation did."""

    outcome: ObservationOutcome
    quality_results: list[QualityResult]  #: new ones, and those that changed
