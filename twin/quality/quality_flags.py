"""Quality flags of an observation, and the single word that summarises them."""

from __future__ import annotations

from enum import IntFlag
from typing import Literal, TypeAlias

QualityWord: TypeAlias = Literal["good", "estimated", "late", "suspect", "maintenance"]
"""The quality words of the API, best first."""


class QualityFlag(IntFlag):
    """Facts about the quality of one value. Stored as a small integer: never renumber a flag.

    The column has 16 bits with a sign, so all flags together are at most 32767 and there is no room for
    another one.
    """

    NONE = 0
    TIME_OF_RECEPTION = 1  #: the device sent no time; phenomenonTime is when we received it. Harmless.
    ESTIMATED = 2  #: the device or a formula estimated the value
    LATE = 4  #: received much later than it was measured
    OUT_OF_RANGE = 8  #: outside the valid range of the observed property
    SPIKE = 16
    STUCK = 32
    DRIFT = 64
    MAINTENANCE = 128
    RATE_OF_CHANGE = 256  #: changed faster than the observed property can change
    CLOCK_SKEW = 512  #: dated after its reception, within the accepted limit
    DISAGREES = 1024  #: far from the values of other sensors or neighbours
    FOUND_LATER = (
        2048  #: beside STUCK: the value passed at first; later equal values showed the fault. Harmless.
    )
    INCOMPLETE = 4096  #: a value of an area to which too few of its members contributed
    LEVEL_SHIFT = 8192  #: the first value of a new level, which the following values confirm. Harmless.
    SOURCE_DOUBTFUL = (
        16384  #: the source marks it doubtful or invalid, or `valid when` of the city excludes it
    )


# Plain integers: the operators of an enumeration cost a microsecond each.
_SUSPECT = int(
    QualityFlag.OUT_OF_RANGE
    | QualityFlag.SPIKE
    | QualityFlag.STUCK
    | QualityFlag.DRIFT
    | QualityFlag.RATE_OF_CHANGE
    | QualityFlag.DISAGREES
    | QualityFlag.INCOMPLETE
    | QualityFlag.SOURCE_DOUBTFUL
)
_MAINTENANCE = int(QualityFlag.MAINTENANCE)
_LATE = int(QualityFlag.LATE)
_UNCERTAIN = int(QualityFlag.ESTIMATED | QualityFlag.CLOCK_SKEW)

UNUSABLE_FLAGS = _SUSPECT | _MAINTENANCE
"""Each of these flags excludes a value from states and aggregates."""

DISAGREES = int(QualityFlag.DISAGREES)
"""Neighbours or other sensors contradict the value."""

STUCK_FOUND_LATER = int(QualityFlag.STUCK | QualityFlag.FOUND_LATER)
"""The flags of a value at the beginning of a run of equal values that turned out to be stuck."""

TIME_FLAGS = int(QualityFlag.LATE | QualityFlag.CLOCK_SKEW)
"""Flags that follow from the two times of an observation: always computed, never stored."""


def quality_word(flags: int) -> QualityWord:
    """Return the API's word for the worst of the flags.

    >>> quality_word(QualityFlag.NONE), quality_word(QualityFlag.TIME_OF_RECEPTION)
    ('good', 'good')
    >>> quality_word(QualityFlag.LATE | QualityFlag.SPIKE)
    'suspect'
    >>> quality_word(QualityFlag.LEVEL_SHIFT | QualityFlag.FOUND_LATER)
    'good'
    """
    flags = int(flags)
    if flags & _MAINTENANCE:
        return "maintenance"
    if flags & _SUSPECT:
        return "suspect"
    if flags & _LATE:
        return "late"
    if flags & _UNCERTAIN:
        return "estimated"
    return "good"


def is_usable(flags: int) -> bool:
    """Return whether a value of this quality enters states and aggregates.

    Late and estimated values do: they are correct, although not fresh or not measured. Freshness is a
    separate check.
    """
    return not flags & UNUSABLE_FLAGS
