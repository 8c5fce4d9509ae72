"""Documents of back-tests: the alarms that a rule would have raised, and the difference to another rule."""

from __future__ import annotations

from collections.abc import Sequence

from api.http.responses import Document, format_optional_instant
from cities.duration import format_duration
from twin.alarms.severity import Severity
from twin.alarms.statistics import AlarmCount
from twin.backtest.backtest import BacktestResult
from twin.backtest.firing import Firing, FiringDifference
from twin.instant import Instant, format_instant

ENTITIES_SHOWN_MAX = 1_000
REPEATED_SHOWN_MAX = 100


def backtest_document(
    result: BacktestResult,
    least: Severity,
    limit: int,
    compared: tuple[BacktestResult, FiringDifference] | None,
) -> Document:
    """Return the result of a back-test, with at most `limit` firings in each list; counts include all."""
    statistics = result.statistics
    return {
        "rule": {"id": result.rule.id, "version": result.rule.version or None},
        "start": format_instant(result.start),
        "end": format_instant(result.end),
        "entities": result.entities,
        "firingCount": len(result.firings),
        "firings": [firing_document(firing, result.end) for firing in result.firings[:limit]],
        "perEntity": [
            {
                "entityId": counted.entity,
                "firings": counted.firings,
                "active": format_duration(counted.active),
                "longest": format_duration(counted.longest),
            }
            for counted in result.by_entity[:ENTITIES_SHOWN_MAX]
        ],
        "notifications": {
            "total": statistics.annunciated,
            "mostInTenMinutes": statistics.peak,
            "mostTime": format_optional_instant(statistics.peak_time),
            "bySeverity": {severity.word: count for severity, count in statistics.by_severity.items()},
        },
        "notificationsPerNight": nights_document(result, least),
        "chattering": [_alarm_count(each) for each in statistics.chattering[:REPEATED_SHOWN_MAX]],
        "fleeting": [_alarm_count(each) for each in statistics.fleeting[:REPEATED_SHOWN_MAX]],
        "faults": [
            {"entityId": entity, "detail": text}
            for entity, text in sorted(result.errors.items())[:ENTITIES_SHOWN_MAX]
        ],
        "difference": difference_document(*compared, limit) if compared is not None else None,
    }


def firing_document(firing: Firing, end: Instant) -> Document:
    """Return a firing; one that is still active has lasted until `end`."""
    return {
        "alarmId": firing.alarm,
        "entityId": firing.entity,
        "sensorId": firing.sensor or None,
        "raisedTime": format_instant(firing.raised),
        "returnedTime": format_optional_instant(firing.returned),
        "duration": format_duration(max(0, firing.lasted(end))),
        "severity": firing.severity.word,
        "peak": firing.peak,
        "sentence": {"en": firing.sentence_en, "nl": firing.sentence_nl},
    }


def nights_document(result: BacktestResult, least: Severity) -> Document:
    """Return the number of notifications in each night."""
    counts = [night.alarms for night in result.nights]
    return {
        "severity": least.word,
        "nights": len(counts),
        "total": sum(counts),
        "mean": sum(counts) / len(counts) if counts else 0.0,
        "most": max(counts, default=0),
        "byNight": [{"evening": night.evening.isoformat(), "count": night.alarms} for night in result.nights],
    }


def difference_document(before: BacktestResult, difference: FiringDifference, limit: int) -> Document:
    """Return the difference to the result `before` of another rule."""

    def shown(firings: Sequence[Firing]) -> list[Document]:
        return [firing_document(firing, before.end) for firing in firings[:limit]]

    return {
        "comparedWith": {"id": before.rule.id, "version": before.rule.version},
        "firingCount": len(before.firings),
        "notifications": before.statistics.annunciated,
        "addedCount": len(difference.added),
        "removedCount": len(difference.removed),
        "changedCount": len(difference.changed),
        "unchangedCount": difference.unchanged,
        "added": shown(difference.added),
        "removed": shown(difference.removed),
        "changed": [
            {
                "before": firing_document(change.before, before.end),
                "after": firing_document(change.after, before.end),
            }
            for change in difference.changed[:limit]
        ],
    }


def _alarm_count(count: AlarmCount) -> Document:
    return {"alarmId": count.alarm, "count": count.count}
