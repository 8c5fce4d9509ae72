"""Night calls: how often a rule would have called the person on duty at night."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from twin.alarms.severity import Severity
from twin.alarms.statistics import Transition
from twin.instant import Instant, to_datetime

NIGHT_STARTS = 22
NIGHT_ENDS = 7
"""Local hours of the night."""


class NightCalls(NamedTuple):
    """The number of alarms in a night; the night is named by the date of its evening."""

    evening: date
    alarms: int


def night_calls(
    transitions: Iterable[Transition], start: Instant, end: Instant, timezone: str, least: Severity
) -> list[NightCalls]:
    """Return every night that start ≤ t < end overlaps, with its alarms of at least a severity.

    An alarm counts when it is raised, and again when it worsens.
    """
    zone = ZoneInfo(timezone)
    counts = Counter(
        evening
        for transition in transitions
        if transition.kind in ("raised", "worsened")
        and transition.severity >= least
        and start <= transition.told_time < end
        if (evening := _evening(transition.told_time, zone)) is not None
    )
    first = to_datetime(start).astimezone(zone)
    last = to_datetime(end - 1).astimezone(zone)
    day = first.date() - timedelta(days=first.hour < NIGHT_ENDS)
    final = last.date() - timedelta(days=last.hour < NIGHT_STARTS)
    evenings = (day + timedelta(days=number) for number in range((final - day).days + 1))
    return [NightCalls(evening, counts[evening]) for evening in evenings]


def _evening(time: Instant, zone: ZoneInfo) -> date | None:
    local = to_datetime(time).astimezone(zone)
    if local.hour >= NIGHT_STARTS:
        return local.date()
    return local.date() - timedelta(days=1) if local.hour < NIGHT_ENDS else None
