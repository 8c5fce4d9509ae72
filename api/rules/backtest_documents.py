"""Renders back-tests: the alarms that a rule would have raised, and the difference to another rule."""

from __future__ import annotations

from collections.abc import Sequence

from api.alarms.models import SeverityCounts
from api.http.responses import format_optional_instant
from api.rules.models import (
    AlarmRepetitions,
    BacktestDifference,
    BacktestNotifications,
    BacktestResultModel,
    ChangedFiringModel,
    EntityFault,
    EntityFirings,
    FiringModel,
    Night,
    NightNotifications,
    RuleReference,
)
from cities.duration import format_duration
from twin.alarms.severity import Severity
from twin.alarms.statistics import AlarmCount
from twin.backtest.backtest import BacktestResult
from twin.backtest.firing import Firing, FiringDifference
from twin.instant import Instant, format_instant
from twin.model.bilingual_text import BilingualText

ENTITIES_SHOWN_MAX = 1_000
REPEATED_SHOWN_MAX = 100


def backtest_model(
    result: BacktestResult,
    least: Severity,
    limit: int,
    compared: tuple[BacktestResult, FiringDifference] | None,
) -> BacktestResultModel:
    """Return the result of a back-test, with at most `limit` firings in each list; counts include all."""
    statistics = result.statistics
    return BacktestResultModel(
        rule=RuleReference(id=result.rule.id, version=result.rule.version or None),
        start=format_instant(result.start),
        end=format_instant(result.end),
        entities=result.entities,
        firing_count=len(result.firings),
        firings=[firing_model(firing, result.end) for firing in result.firings[:limit]],
        per_entity=[
            EntityFirings(
                entity_id=counted.entity,
                firings=counted.firings,
                active=format_duration(counted.active),
                longest=format_duration(counted.longest),
            )
            for counted in result.by_entity[:ENTITIES_SHOWN_MAX]
        ],
        notifications=BacktestNotifications(
            total=statistics.annunciated,
            most_in_ten_minutes=statistics.peak,
            most_time=format_optional_instant(statistics.peak_time),
            by_severity=SeverityCounts(
                **{severity.word: count for severity, count in statistics.by_severity.items()}
            ),
        ),
        notifications_per_night=night_notifications(result, least),
        chattering=[_repetitions(each) for each in statistics.chattering[:REPEATED_SHOWN_MAX]],
        fleeting=[_repetitions(each) for each in statistics.fleeting[:REPEATED_SHOWN_MAX]],
        faults=[
            EntityFault(entity_id=entity, detail=text)
            for entity, text in sorted(result.errors.items())[:ENTITIES_SHOWN_MAX]
        ],
        difference=difference_model(*compared, limit) if compared is not None else None,
    )


def firing_model(firing: Firing, end: Instant) -> FiringModel:
    """Return a firing; one that is still active has lasted until `end`."""
    return FiringModel(
        alarm_id=firing.alarm,
        entity_id=firing.entity,
        sensor_id=firing.sensor or None,
        raised_time=format_instant(firing.raised),
        returned_time=format_optional_instant(firing.returned),
        duration=format_duration(max(0, firing.lasted(end))),
        severity=firing.severity.word,
        peak=firing.peak,
        sentence=BilingualText(firing.sentence_en, firing.sentence_nl),
    )


def night_notifications(result: BacktestResult, least: Severity) -> NightNotifications:
    """Return the number of notifications in each night."""
    counts = [night.alarms for night in result.nights]
    return NightNotifications(
        severity=least.word,
        nights=len(counts),
        total=sum(counts),
        mean=sum(counts) / len(counts) if counts else 0.0,
        most=max(counts, default=0),
        by_night=[Night(evening=night.evening.isoformat(), count=night.alarms) for night in result.nights],
    )


def difference_model(before: BacktestResult, difference: FiringDifference, limit: int) -> BacktestDifference:
    """Return the difference to the result `before` of another rule."""

    def shown(firings: Sequence[Firing]) -> list[FiringModel]:
        return [firing_model(firing, before.end) for firing in firings[:limit]]

    return BacktestDifference(
        compared_with=RuleReference(id=before.rule.id, version=before.rule.version),
        firing_count=len(before.firings),
        notifications=before.statistics.annunciated,
        added_count=len(difference.added),
        removed_count=len(difference.removed),
        changed_count=len(difference.changed),
        unchanged_count=difference.unchanged,
        added=shown(difference.added),
        removed=shown(difference.removed),
        changed=[
            ChangedFiringModel(
                before=firing_model(change.before, before.end), after=firing_model(change.after, before.end)
            )
            for change in difference.changed[:limit]
        ],
    )


def _repetitions(count: AlarmCount) -> AlarmRepetitions:
    return AlarmRepetitions(alarm_id=count.alarm, count=count.count)
