"""Sums of households along the tree of areas: a parent's sum less its children's tells of nobody either.

Every published sum is made of series that have no connection in common. A series is the cohort of one area
(`twin.cohort`): of its own connections, and of those of areas below it that are too few to stand alone. So
whoever adds and subtracts published sums gets sums of whole series, each over `CONNECTIONS_MIN` or more.

Which series a connection belongs to is decided by the city model (how many are registered), never by who
happens to speak: a connection that changed over from one series to another within a `BREAK` would be the
difference between two sums of both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from twin.cohort import BREAK, CARRIED_MAX, CONNECTIONS_MIN, DECIMALS, Cohort, Published, step
from twin.instant import Duration, Instant

# The area above may count a connection that it no longer hears for `CARRIED_MAX`; a break later it may be
# counted elsewhere.
HANDED_UP_KEPT: Duration = CARRIED_MAX + BREAK


class AreaSeries(msgspec.Struct, array_like=True, frozen=True):
    """What must be remembered of one area and property between two windows. Goes into a checkpoint."""

    cohort: Cohort | None = None
    handed_up: Instant | None = None  #: the last window whose readings were left to the area above, its start


class Part(msgspec.Struct, array_like=True, frozen=True):
    """What an area tells the area above it of one window. Personal: `pooled` holds single connections."""

    area: str
    window: Instant  #: its start
    published: Published | None  #: everything that is published at the area or below it
    pooled: dict[int, float]  #: readings of connections that are too few here, for the area above


def series_sizes(parents: Mapping[str, str | None], own: Mapping[str, int]) -> dict[str, int]:
    """Return how many connections the series of each area has, from how many are registered in each area
    itself.

    An area with fewer than `CONNECTIONS_MIN` leaves its connections to the area above it. `parents` names the
    parent of each area; it is a tree, as the city model guarantees.

    >>> series_sizes({"city": None, "east": "city", "west": "city"}, {"east": 12, "west": 4, "city": 7})
    {'city': 11, 'east': 12, 'west': 4}
    """
    sizes = {area: own.get(area, 0) for area in parents}
    waiting = dict.fromkeys(parents, 0)
    for parent in parents.values():
        if parent is not None:
            waiting[parent] += 1
    ready = [area for area, children in waiting.items() if not children]
    while ready:
        area = ready.pop()
        parent = parents[area]
        if parent is None:
            continue
        if sizes[area] < CONNECTIONS_MIN:
            sizes[parent] += sizes[area]
        waiting[parent] -= 1
        if not waiting[parent]:
            ready.append(parent)
    return sizes


def rolled_up(
    area: str,
    series: AreaSeries | None,
    own: Mapping[int, float],
    parts: Sequence[Part],
    window: Instant,
    *,
    size: int,
) -> tuple[AreaSeries, Part]:
    """Take in a closed window; return what to remember, and the part that the area above is told.

    `own` are the readings of the connections that belong to the area itself; `parts` come from the areas
    right below, all of this window; `size` is the area's of `series_sizes`. A part that is missing counts
    as not published: the window is not published again when it comes. Raises ValueError when a part is of
    another window, or when two of them hold the same connection.
    """
    series = series or AreaSeries()
    pool = _pool(own, parts, window)
    handed_up: dict[int, float] = {}
    mine: Published | None = None
    if size >= CONNECTIONS_MIN:
        # Whoever may be counted above is not counted here yet.
        if series.handed_up is None or window - series.handed_up >= HANDED_UP_KEPT:
            cohort, mine = step(series.cohort, pool, window, size)
            series = AreaSeries(cohort, series.handed_up)
    elif series.cohort is None or not series.cohort.has_published(window):
        # Nor is anybody counted above who was counted here less than a break ago.
        handed_up = pool
        series = AreaSeries(series.cohort, window)
    told = [one.published for one in parts if one.published is not None]
    published = _sum([*told, *([mine] if mine is not None else [])])
    return series, Part(area, window, published, handed_up)


def _pool(own: Mapping[int, float], parts: Sequence[Part], window: Instant) -> dict[int, float]:
    pool = dict(own)
    for part in parts:
        if part.window != window:
            raise ValueError(f"the part of {part.area!r} is of window {part.window}, expected {window}")
        twice = pool.keys() & part.pooled.keys()
        if twice:
            raise ValueError(f"connection {min(twice)} is in {part.area!r} and in another area beside it")
        pool.update(part.pooled)
    return pool


def _sum(parts: Sequence[Published]) -> Published | None:
    if not parts:
        return None
    flags = 0
    for part in parts:
        flags |= part.flags
    return Published(
        window=parts[0].window,
        # The parts are rounded, so a child taken from its parent leaves nothing behind the last digit.
        value=round(math.fsum(part.value for part in parts), DECIMALS),
        count=sum(part.count for part in parts),
        flags=flags,
    )
