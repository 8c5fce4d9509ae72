"""Parse the times of recordings, and resolve local times in the repeated hour of autumn."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from twin.instant import SECOND, Instant, from_datetime

_SECONDS = re.compile(r"\d{9,10}(?:\.\d+)?")  # the years 1973 to 2286
_MILLISECONDS = re.compile(r"\d{13}")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})T?(\d{2})(\d{2})(\d{2})?")
_YEAR_FIRST = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:(?:T| +)(\d{1,2})(:.+))?")
_DAY_FIRST = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})(?:(?:T| +)(\d{1,2})(:.+))?")


def parse_recorded_time(text: str) -> Instant | datetime:
    """Return the instant of a text, or a naive datetime if it has no offset.

    ISO 8601, the same with slashes or without leading zeros, `dd-mm-yyyy hh:mm[:ss]`, `yyyymmddhhmm[ss]`, and
    seconds or milliseconds since 1970. An hour of 24 is midnight at the end of the day. Raises ValueError.

    >>> parse_recorded_time("2017-10-29T02:00:00+01:00"), parse_recorded_time("29-10-2017 02:15")
    (1509238800000000, datetime.datetime(2017, 10, 29, 2, 15))
    >>> parse_recorded_time("2017/10/28 24:00")
    datetime.datetime(2017, 10, 29, 0, 0)
    """
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return round(float(text) * SECOND)
    if _MILLISECONDS.fullmatch(text):
        return int(text) * 1_000
    if compact := _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second = compact.groups("00")
        rest = f":{minute}:{second}"
    elif match := _YEAR_FIRST.fullmatch(text):
        year, month, day, hour, rest = match.groups("")
    elif match := _DAY_FIRST.fullmatch(text):
        day, month, year, hour, rest = match.groups("")
    else:
        raise ValueError(f"found {text!r}, expected a date")
    ends_day = hour == "24"
    clock = f"{'00' if ends_day else hour or '00':0>2}{_offset_joined(rest or ':00')}"
    moment = datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}T{clock}")
    if ends_day:
        moment += timedelta(days=1)
    return moment if moment.tzinfo is None else from_datetime(moment)


def _offset_joined(clock: str) -> str:
    """Return minutes, seconds and offset as in ISO 8601: without spaces, and Z for UTC."""
    clock = clock.replace(" ", "")
    return clock[:-3] + "Z" if clock.upper().endswith("UTC") else clock


def resolve_local_times(walls: Sequence[datetime], timezone: str) -> list[Instant]:
    """Return the instants of the naive local times of one series, in its order.

    In the repeated hour of autumn, the order decides. If the local time falls back, the second pass begins
    there. If each time occurs twice in a row, the second occurrence is in the second pass. Otherwise all
    times are in the first pass. A series in descending order is read from its end.

    >>> from twin.instant import format_instant
    >>> night = [datetime(2017, 10, 29, 2, minute) for minute in (0, 30, 0, 30)]
    >>> [format_instant(one)[11:16] for one in resolve_local_times(night, "Europe/Amsterdam")]
    ['00:00', '00:30', '01:00', '01:30']
    """
    zone = ZoneInfo(timezone)
    order = range(len(walls))
    if len(walls) > 1 and walls[0] > walls[-1]:
        order = range(len(walls) - 1, -1, -1)
    folds = [0] * len(walls)
    nights: defaultdict[date, list[int]] = defaultdict(list)
    for index in order:
        if _is_twice(walls[index], zone):
            nights[walls[index].date()].append(index)
    for night in nights.values():
        for index in _second_pass(night, walls):
            folds[index] = 1
    return [
        from_datetime(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC))
        for wall, fold in zip(walls, folds, strict=True)
    ]


def _is_twice(wall: datetime, zone: ZoneInfo) -> bool:
    first = wall.replace(tzinfo=zone, fold=0).utcoffset()
    second = wall.replace(tzinfo=zone, fold=1).utcoffset()
    return first is not None and second is not None and first > second


def _second_pass(night: Sequence[int], walls: Sequence[datetime]) -> list[int]:
    """Return the indices, among those in a repeated hour in order of time, that are in its second pass."""
    for number in range(1, len(night)):
        if walls[night[number]] < walls[night[number - 1]]:
            return list(night[number:])
    if set(Counter(walls[index] for index in night).values()) == {2}:
        return list(night[1::2])
    return []
