"""Observations: measured values of datastreams."""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple, TypeAlias

from twin.instant import Instant


class Observation(NamedTuple):
    """One measured value of one datastream, in the canonical unit.

    A named tuple, because hundreds of thousands pass per second. The key is (datastream, phenomenon_time).
    The same key with the same value is a duplicate. With another value it is a correction, and the one that
    became known later wins (`order_of_knowledge`).
    """

    datastream: int
    phenomenon_time: Instant  #: when it was true in the city
    received_time: Instant  #: when we received it
    value: float
    flags: int = 0  #: `twin.quality.quality_flags.QualityFlag`
    #: Orders observations of one time of reception by when they became known. 0 for what a device sent; of
    #: a played recording, an instant of the play that rises with each message.
    rank: int = 0


KnowledgeOrder: TypeAlias = tuple[Instant, int, float, int]
"""Reception, rank, and for a total order value and flags."""


def order_of_knowledge(observation: Observation) -> KnowledgeOrder:
    """Return the sort key of observations with one key: of two, the one with the greater sort key stays.

    >>> played, correction = Observation(1, 0, 10, 261.6, 0, rank=7), Observation(1, 0, 10, 26.16, 0, rank=9)
    >>> order_of_knowledge(correction) > order_of_knowledge(played)
    True
    """
    return observation[2], observation[5], observation[3], observation[4]


BY_TIME = itemgetter(1)
"""Sort and search key: the phenomenon time of an observation."""


class LastGoodValue(NamedTuple):
    """The newest value that is usable; shown beside a suspect one."""

    value: float
    phenomenon_time: Instant
