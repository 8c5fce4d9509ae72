"""Observations: measured values of datastreams."""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

from twin.instant import Instant


class Observation(NamedTuple):
    """One measured value of one datastream, in the canonical unit.

    A named tuple, because hundreds of thousands pass per second. The key is (datastream, phenomenon_time).
    The same key with the same value is a duplicate. With another value it is a correction, and the later
    received one wins.
    """

    datastream: int
    phenomenon_time: Instant  #: when it was true in the city
    received_time: Instant  #: when we received it
    value: float
    flags: int = 0  #: `twin.quality.quality_flags.QualityFlag`


BY_TIME = itemgetter(1)
"""Sort and search key: the phenomenon time of an observation."""


class LastGoodValue(NamedTuple):
    """The newest value that is usable; shown beside a suspect one."""

    value: float
    phenomenon_time: Instant
