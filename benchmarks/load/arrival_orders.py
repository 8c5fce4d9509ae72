"""The orders in which the messages of a year may arrive. Each is a list of parts; between two parts the
publisher may wait, or the system may restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, pairwise
from random import Random
from types import MappingProxyType
from typing import TypeAlias

from benchmarks.load.year_city import StationMessage

Parts: TypeAlias = list[list[StationMessage]]

DAYS_OF_A_BACKLOG = 5
"""Of so many days the last one is sent as one backlog, when the day after it has been sent."""


def in_order(messages: Sequence[StationMessage], dice: Random) -> Parts:
    """Return the order of measurement."""
    return [list(messages)]


def halves_swapped(messages: Sequence[StationMessage], dice: Random) -> Parts:
    """Return the second half of the year, and then the first."""
    middle = messages[-1].hour // 2 + 1
    return [
        [one for one in messages if one.hour >= middle],
        [one for one in messages if one.hour < middle],
    ]


def with_backlogs(messages: Sequence[StationMessage], dice: Random) -> Parts:
    """Return the order of measurement, but each fifth day a day later, station by station."""
    days = [list(ones) for _, ones in groupby(messages, key=lambda one: one.hour // 24)]
    found: list[StationMessage] = []
    held: list[StationMessage] = []
    for day in days:
        if day[0].hour // 24 % DAYS_OF_A_BACKLOG == DAYS_OF_A_BACKLOG - 1:
            found += held
            held = sorted(day, key=lambda one: (one.station, one.hour))
            continue
        found += day
        found += held
        held = []
    return [found + held]


def interrupted(number: int) -> Callable[[Sequence[StationMessage], Random], Parts]:
    """Return the order of measurement in so many parts more, divided at random."""

    def divided(messages: Sequence[StationMessage], dice: Random) -> Parts:
        cuts = sorted(dice.sample(range(1, len(messages)), min(number, len(messages) - 1)))
        edges = [0, *cuts, len(messages)]
        return [list(messages[a:b]) for a, b in pairwise(edges)]

    return divided


ORDERS: Mapping[str, Callable[[Sequence[StationMessage], Random], Parts]] = MappingProxyType(
    {"max": in_order, "halves": halves_swapped, "backlogs": with_backlogs}
)
