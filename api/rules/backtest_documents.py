"""Back-tests as documents: what a rule would have raised, and how that differs from the rule in force."""

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
    found: BacktestResult,
    least: Severity,
    limit: int,
    compared: tuple[BacktestResult, FiringDifference] | None,
) -> Document:
    """Return what was found, with at most `limit` firings of each list; counts are of all."""
    statistics = found.statistics
    return {
        "rule": {"id": found.rule.id, "version": found.rule.version or None},
        "start": format_instant(found.start),
        "end": format_instant(found.end),
        "entities": found.entities,
        "firingCount": len(found.firings),
        "firings": [firing_document(one, found.end) for one in found.firings[:limit]],
        "perEntity": [
            {
                "entityId": one.entity,
                "firings": one.firings,
                "active": format_duration(one.active),
                "longest": format_duration(one.longest),
            }
            for one in found.by_entity[:ENTITIES_SHOWN_MAX]
        ],
        "notifications": {
            "total": statistics.annunciated,
            "mostInTenMinutes": statistics.peak,
            "mostTime": format_optional_instant(statistics.peak_time),
            "bySeverity": {severity.word: count for severity, count in statistics.by_severity.items()},
        },
        "notificationsPerNight": nights_document(found, least),
        "chattering": [_repeated(one) for one in statistics.chattering[:REPEATED_SHOWN_MAX]],
        "fleeting": [_repeated(one) for one in statistics.fleeting[:REPEATED_SHOWN_MAX]],
        "faults": [
            {"entityId": entity, "detail": text}
            for entity, text in sorted(found.errors.items())[:ENTITIES_SHOWN_MAX]
        ],
        "difference": difference_document(*compared, limit) if compared is not None else None,
    }


def firing_document(one: Firing, end: Instant) -> Document:
    """Return a firing; one that goes on has lasted until `end`."""
    return {
        "alarmId": one.alarm,
        "entityId": one.entity,
        "sensorId": one.sensor or None,
        "raisedTime": format_instant(one.raised),
        "returnedTime": format_optional_instant(one.returned),
        "duration": format_duration(max(0, one.lasted(end))),
        "severity": one.severity.word,
        "peak": one.peak,
        "sentence": {"en": one.sentence_en, "nl": one.sentence_nl},
    }


def nights_document(found: BacktestResult, least: Severity) -> Document:
    """Return how often somebody would have been woken, night by night."""
    counts = [one.alarms for one in found.nights]
    return {
        "severity": least.word,
        "nights": len(counts),
        "total": sum(counts),
        "mean": sum(counts) / len(counts) if counts else 0.0,
        "most": max(counts, default=0),
        "byNight": [{"evening": one.evening.isoformat(), "count": one.alarms} for one in found.nights],
    }


def difference_document(before: BacktestResult, found: FiringDifference, limit: int) -> Document:
    """Return what is other than by another rule, `before`."""

    def shown(firings: Sequence[Firing]) -> list[Document]:
        return [firing_document(one, before.end) for one in firings[:limit]]

    return {
        "comparedWith": {"id": before.rule.id, "version": before.rule.version},
        "firingCount": len(before.firings),
        "notifications": before.statistics.annunciated,
        "addedCount": len(found.added),
        "removedCount": len(found.removed),
        "changedCount": len(found.changed),
        "unchangedCount": found.unchanged,
        "added": shown(found.added),
        "removed": shown(found.removed),
        "changed": [
            {
                "before": firing_document(one.before, before.end),
                "after": firing_document(one.after, before.end),
            }
            for one in found.changed[:limit]
        ],
    }


def _repeated(one: AlarmCount) -> Document:
    return {"alarmId": one.alarm, "count": one.count}
