"""Maintenance windows: what they cover, once or recurring, and when a datastream is in maintenance."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from twin.errors import MessageError
from twin.instant import INSTANT_MAX, Instant
from twin.model.recurrence import BLOCK, Period, Recurrence, RecurringPeriod, occurrences_between
from twin.wire.codec import DECODE_ERRORS

WINDOWS_MAX = 1_000
"""Maintenance windows of a city."""

COVERED_MAX = 500
"""Ids in each list of what a window covers; an area covers all that is in it."""

EXDATES_MAX = 1_000
"""Excluded dates of a recurrence."""

RULE_LENGTH_MAX = 500
"""Characters of a recurrence rule."""

BLOCKS_KEPT_MAX = 64
"""Blocks of occurrences that a schedule keeps: five years, more than a back-test reads at once."""

AHEAD_BLOCKS = 14
"""How far ahead the next change of a schedule is searched, a year; then it is searched again."""


class MaintenanceWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A time of work on sensors: the observations made then are stored, and not used.

    It covers the sensors that it lists, what is observed on its entities, and what is observed in its areas;
    of that only its properties, if it lists any.
    """

    id: str
    title: str
    note: str = ""
    sensors: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()  #: each with all that lies in it
    properties: tuple[str, ...] = ()  #: empty: all
    start: Instant
    end: Instant = INSTANT_MAX
    recurrence: Recurrence | None = None
    version: int = 0  #: counts from 1; rises with each change of the content

    def content(self) -> MaintenanceWindow:
        """Return the window without its version, to compare the content of two windows."""
        return msgspec.structs.replace(self, version=0)

    def effect(self) -> MaintenanceWindow:
        """Return the window without what changes no observation: its version, title and note."""
        return msgspec.structs.replace(self, version=0, title="", note="")

    @property
    def reach(self) -> Period:
        """The time in which all its occurrences are, in any time zone; to INSTANT_MAX while it is open."""
        return self.period("UTC").reach

    def period(self, zone: str) -> RecurringPeriod:
        """Return the period of the window in a city of this time zone."""
        return RecurringPeriod(self.start, self.end, self.recurrence, zone if self.recurrence else "UTC")


class WindowIndex:
    """Maintenance windows by what they cover, so that a datastream does not ask each one."""

    def __init__(self, windows: Iterable[MaintenanceWindow]) -> None:
        self._by_covered: defaultdict[tuple[str, str], list[MaintenanceWindow]] = defaultdict(list)
        for window in windows:
            covered = {"sensors": window.sensors, "entities": window.entities, "areas": window.areas}
            for kind, ids in covered.items():
                for id in ids:
                    self._by_covered[kind, id].append(window)

    def of(self, sensor: str, property: str, places: Sequence[str]) -> tuple[MaintenanceWindow, ...]:
        """Return the windows that cover a datastream, by id; `places`: its entity and the areas around it."""
        keys = [("sensors", sensor), *(("entities", one) for one in places[:1])]
        keys += [("areas", one) for one in places]
        found = {window.id: window for key in keys for window in self._by_covered.get(key, ())}
        return tuple(
            window
            for _, window in sorted(found.items())
            if not window.properties or property in window.properties
        )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(MaintenanceWindow).decode


def encode_window(window: MaintenanceWindow) -> bytes:
    """Return a window as JSON."""
    return _encode(window)


def decode_window(data: bytes | str) -> MaintenanceWindow:
    """Return the window that `encode_window` encoded. Raises MessageError if it cannot be read."""
    try:
        return _decode(data)
    except DECODE_ERRORS as error:
        raise MessageError(f"a maintenance window of {len(data)} bytes cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class MaintenanceSchedule:
    """When something is in maintenance. Two schedules are equal if their periods are.

    A look-up is a bisection in the block of its time, whose occurrences are expanded and joined once: it
    costs the same however many periods there are, and however often they recur.
    """

    periods: tuple[RecurringPeriod, ...] = ()
    _blocks: dict[int, tuple[list[Instant], list[Instant]]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __bool__(self) -> bool:
        """Return whether there is any maintenance."""
        return bool(self.periods)

    @classmethod
    def of(cls, periods: Iterable[RecurringPeriod]) -> MaintenanceSchedule:
        """Return the schedule of periods, in any order."""
        distinct = set(periods)
        return cls(tuple(sorted(distinct, key=_order))) if distinct else NO_MAINTENANCE

    def includes(self, time: Instant) -> bool:
        """Return whether a time is in maintenance."""
        if not self.periods:
            return False
        starts, ends = self._block(time // BLOCK)
        index = bisect_right(starts, time) - 1
        return index >= 0 and time < ends[index]

    def changes_after(self, time: Instant) -> Iterator[Instant]:
        """Yield times after a time at which maintenance may begin or end, the next one among them.

        Where recurring periods have none within a year, the time at which to ask again.
        """
        for period in self.periods:
            if period.recurrence is None:
                yield from (edge for edge in (period.start, period.end) if time < edge < INSTANT_MAX)
            elif time < period.reach[1]:
                yield _next_edge(period, time)

    def _block(self, number: int) -> tuple[list[Instant], list[Instant]]:
        block = self._blocks.get(number)
        if block is None:
            if len(self._blocks) >= BLOCKS_KEPT_MAX:
                self._blocks.clear()
            joined = _joined(
                one
                for period in self.periods
                for one in occurrences_between(period, number * BLOCK, (number + 1) * BLOCK)
            )
            block = self._blocks[number] = [start for start, _ in joined], [end for _, end in joined]
        return block


NO_MAINTENANCE = MaintenanceSchedule()


def next_occurrences(period: RecurringPeriod, time: Instant, count: int) -> list[Period]:
    """Return the first occurrences that end after a time, at most `count`, within a year ahead."""
    found: list[Period] = []
    for block in range(time // BLOCK, time // BLOCK + AHEAD_BLOCKS):
        begin, end = max(time, block * BLOCK), (block + 1) * BLOCK
        found += [one for one in occurrences_between(period, begin, end) if one not in found[-count:]]
        if len(found) >= count:
            break
    if not found and period.recurrence is None and period.end > time:
        return [(period.start, period.end)]
    return found[:count]


def _next_edge(period: RecurringPeriod, time: Instant) -> Instant:
    first = max(time, period.start) // BLOCK
    if time < period.start:
        return period.start
    for block in range(first, first + AHEAD_BLOCKS):
        found = occurrences_between(period, max(time, block * BLOCK), (block + 1) * BLOCK)
        edges = [edge for one in found for edge in one if edge > time]
        if edges:
            return min(edges)
    return (first + AHEAD_BLOCKS) * BLOCK


def _joined(periods: Iterable[Period]) -> list[Period]:
    """Return periods ascending, those that overlap or touch as one."""
    joined: list[Period] = []
    for start, end in sorted(periods):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def _order(period: RecurringPeriod) -> tuple[Instant, Instant, str, tuple[str, ...], str]:
    rule = period.recurrence
    return period.start, period.end, rule.rule if rule else "", rule.exdates if rule else (), period.zone
