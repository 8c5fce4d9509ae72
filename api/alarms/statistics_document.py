"""The health of the alarm system as a document: how many alarms operators get, and which are a nuisance."""

from __future__ import annotations

from collections.abc import Iterable

from api.http.responses import Document, format_optional_instant
from cities.duration import format_duration
from twin.alarms.messages import AlarmEvent
from twin.alarms.statistics import STALE_AFTER, AlarmCount, AlarmStatistics, Flood
from twin.instant import Instant, format_instant

# EEMUA 191, long term average alarm rate in steady operation: less than one for an operator in ten minutes
# is very likely to be acceptable, one in five minutes manageable, one in two likely to be over-demanding, and
# more than one a minute very likely to be unacceptable.
_RATES = ((1.0, "acceptable"), (2.0, "manageable"), (10.0, "over-demanding"))


def alarm_rate_rating(average: float) -> str:
    """Return what EEMUA 191 says of an average number of alarms for each operator in ten minutes.

    >>> [alarm_rate_rating(one) for one in (0.0, 1.0, 1.5, 5.0, 10.1)]
    ['acceptable', 'acceptable', 'manageable', 'over-demanding', 'unacceptable']
    """
    return next((word for most, word in _RATES if average <= most), "unacceptable")


def statistics_document(
    found: AlarmStatistics, standing: Iterable[AlarmEvent], start: Instant, end: Instant, now: Instant
) -> Document:
    """Return the statistics of a time, and of the alarms that stand `now` those that are stale."""
    standing = list(standing)
    stale = [
        one
        for one in standing
        if one.active and one.raised_time is not None and now - one.raised_time > STALE_AFTER
    ]
    return {
        "start": format_instant(start),
        "end": format_instant(end),
        "annunciated": found.annunciated,
        "perOperatorTenMinutes": {
            "average": found.average,
            "peak": found.peak,
            "peakTime": format_optional_instant(found.peak_time),
            "rating": alarm_rate_rating(found.average),
        },
        "floods": [_flood(one) for one in found.floods],
        "floodedShare": found.flooded_share,
        "chattering": [_repeated(one) for one in found.chattering],
        "fleeting": [_repeated(one) for one in found.fleeting],
        "badActors": [{**_repeated(one), "share": one.share} for one in found.bad_actors],
        "bySeverity": {severity.word: count for severity, count in found.by_severity.items()},
        "acknowledged": found.acknowledged,
        "acknowledgeDelay": {
            "p50": format_duration(found.acknowledge_p50) if found.acknowledge_p50 is not None else None,
            "p95": format_duration(found.acknowledge_p95) if found.acknowledge_p95 is not None else None,
        },
        "standing": len(standing),
        "stale": [
            {"alarmId": one.alarm, "rule": one.rule, "raisedTime": format_optional_instant(one.raised_time)}
            for one in sorted(stale, key=lambda one: (one.raised_time or 0, one.alarm))
        ],
    }


def _flood(one: Flood) -> Document:
    return {
        "start": format_instant(one.start),
        "end": format_instant(one.end),
        "count": one.count,
        "peak": one.peak,
    }


def _repeated(one: AlarmCount) -> Document:
    return {"alarmId": one.alarm, "rule": one.rule, "count": one.count}
