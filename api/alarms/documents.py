"""Renders alarms, their events and explanations, incidents and alarm statistics, as a principal may see
them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

from msgspec import UNSET
from msgspec.structs import asdict

from api.access.rights import Rights
from api.alarms import models
from api.alarms.visibility import (
    may_see_guidance,
    may_see_people,
    may_see_value,
    note_readings,
    note_silent_meter,
    sentence_of,
    visible_sources,
)
from api.http.models import Link
from api.http.responses import format_optional_instant
from api.live.alarm_view import AlarmView
from cities.duration import format_duration
from twin.alarms.messages import AlarmEvent, IncidentEvent, OperandValue
from twin.alarms.rules.operand import ObservationRef
from twin.alarms.state_machine import AlarmState
from twin.alarms.statistics import STALE_AFTER, AlarmCount, AlarmStatistics, Flood
from twin.backtest.firing import Firing
from twin.instant import Duration, Instant, format_instant
from twin.model.city_model import CityModel
from twin.quality.quality_flags import quality_word


def alarm_path(alarm: str) -> str:
    """Return the path of an alarm."""
    return f"/v1/alarms/{quote(alarm)}"


def incident_path(incident: str) -> str:
    """Return the path of an incident."""
    return f"/v1/incidents/{quote(incident)}"


def alarm_model(
    event: AlarmEvent, incident: str | None, model: CityModel, rights: Rights
) -> models.AlarmModel:
    """Return an alarm by its newest event; `incident` is the id of the one that it belongs to."""
    rule = model.rules.get(event.rule)
    entity = model.entities.get(event.entity)
    path = alarm_path(event.alarm)
    return models.AlarmModel(
        id=event.alarm,
        revision=event.revision,
        time=format_instant(event.time),
        title=rule.title if rule is not None else None,
        guidance=rule.guidance if rule is not None and may_see_guidance(rights) else None,
        entity_name=entity.name if entity is not None else None,
        incident_id=incident,
        links=models.AlarmLinks(
            self_=Link(href=path),
            events=Link(href=f"{path}/events"),
            entity=Link(href=f"/v1/entities/{quote(event.entity)}"),
            incident=Link(href=incident_path(incident)) if incident is not None else UNSET,
        ),
        **_condition(event, model, rights),
    )


def event_model(
    event: AlarmEvent, model: CityModel, rights: Rights, amendment: int = 0
) -> models.AlarmEventModel:
    """Return an event of an alarm, with the alarm's condition after it; `amendment`: added to the past."""
    may_see = may_see_people(rights, event)
    return models.AlarmEventModel(
        alarm_id=event.alarm,
        revision=event.revision,
        amendment=amendment,
        kind=event.kind,
        time=format_instant(event.time),
        told_time=format_instant(event.told_time),
        late=event.late,
        actor=(event.actor or None) if may_see else None,
        text=(event.text or None) if may_see else None,
        **_condition(event, model, rights),
    )


def episode_model(episode: Firing, end: Instant) -> models.AlarmEpisode:
    """Return an episode of an alarm; one that is still active has lasted until `end`."""
    return models.AlarmEpisode(
        alarm_id=episode.alarm,
        entity_id=episode.entity,
        sensor_id=episode.sensor or None,
        raised_time=format_instant(episode.raised),
        returned_time=format_optional_instant(episode.returned),
        duration=format_duration(max(0, episode.lasted(end))),
        severity=episode.severity.word,
    )


def _condition(event: AlarmEvent, model: CityModel, rights: Rights) -> dict[str, Any]:
    """Return the members that an alarm and its events share, by field of `AlarmCondition`."""
    may_see = may_see_people(rights, event)
    note_silent_meter(rights, event, model)
    condition = models.AlarmCondition(
        rule=event.rule,
        rule_version=event.rule_version,
        entity_id=event.entity,
        sensor_id=event.sensor or None,
        theme=event.theme,
        state=AlarmState(event.state),
        active=event.active,
        acknowledged=event.acknowledged_time is not None,
        severity=event.severity.word,
        occurrence=event.occurrence,
        raised_time=format_optional_instant(event.raised_time),
        returned_time=format_optional_instant(event.returned_time),
        acknowledged_time=format_optional_instant(event.acknowledged_time),
        acknowledged_by=(event.acknowledged_by or None) if may_see else None,
        shelved_until=format_optional_instant(event.shelved_until),
        suppressed_by=event.suppressed_by or None,
        assignee=(event.assignee or None) if may_see else None,
        cause=event.cause,
        area=event.area,
        sentence=sentence_of(rights, event, model),
        explanation=models.AlarmExplanation(
            rule=event.rule,
            rule_version=event.rule_version,
            operands=[_operand(operand, model, rights) for operand in event.operands],
        ),
    )
    return asdict(condition)


def _operand(operand: OperandValue, model: CityModel, rights: Rights) -> models.OperandModel:
    time = format_instant(operand.time)
    window, period = None, {"time": time}
    sources = visible_sources(rights, operand, model)
    note_readings(rights, sources, model)
    if operand.window:
        start = format_instant(operand.time - operand.window)
        window = models.OperandWindow(start=start, end=time, statistic=operand.statistic)
        period = {"start": start, "end": time}
    return models.OperandModel(
        name=operand.name,
        entity_id=operand.entity,
        value=operand.value if may_see_value(rights, operand, model) else None,
        unit=operand.unit,
        quality=quality_word(operand.flags),
        time=time,
        window=window,
        threshold=operand.threshold,
        observations=[_observation(source, model) for source in sources],
        links=_provenance(operand.entity, operand.name, period),
    )


def _observation(source: ObservationRef, model: CityModel) -> models.OperandObservation:
    datastream = model.datastreams[source.datastream]
    time = format_instant(source.phenomenon_time)
    return models.OperandObservation(
        datastream_id=source.datastream,
        sensor_id=datastream.sensor,
        property=datastream.property,
        phenomenon_time=time,
        links=_provenance(datastream.entity, datastream.property, {"time": time}),
    )


def _provenance(entity: str, name: str, period: dict[str, str]) -> models.ProvenanceLinks:
    query = urlencode({"property": name, **period})
    return models.ProvenanceLinks(provenance=Link(href=f"/v1/entities/{quote(entity)}/provenance?{query}"))


def incident_model(event: IncidentEvent, model: CityModel) -> models.IncidentModel:
    """Return an incident."""
    area = model.entities.get(event.area)
    return models.IncidentModel(
        id=event.incident,
        revision=event.revision,
        time=format_instant(event.time),
        cause=event.cause,
        area=event.area,
        area_name=area.name if area is not None else None,
        theme=event.theme,
        open=event.open,
        severity=event.severity.word,
        opened_time=format_instant(event.opened_time),
        closed_time=format_optional_instant(event.closed_time),
        links=models.IncidentLinks(
            self_=Link(href=incident_path(event.incident)),
            area=Link(href=f"/v1/entities/{quote(event.area)}"),
            notifications=Link(href=f"/v1/notifications?{urlencode({'incident': event.incident})}"),
        ),
    )


def incident_with_alarms(
    event: IncidentEvent, alarms: Iterable[AlarmEvent], view: AlarmView, model: CityModel, rights: Rights
) -> models.IncidentWithAlarms:
    """Return an incident with its present alarms."""
    return models.IncidentWithAlarms(
        **asdict(incident_model(event, model)),
        alarms=[alarm_model(alarm, view.incident_of(alarm.alarm), model, rights) for alarm in alarms],
    )


# EEMUA 191, long-term average alarm rate in steady operation: less than one alarm per operator in ten minutes
# is very likely acceptable, one in five minutes manageable, one in two likely over-demanding, and more than
# one a minute very likely unacceptable.
_RATINGS: tuple[tuple[float, models.AlarmRateRating], ...] = (
    (1.0, "acceptable"),
    (2.0, "manageable"),
    (10.0, "over-demanding"),
)


def alarm_rate_rating(average: float) -> models.AlarmRateRating:
    """Return the rating by EEMUA 191 of an average number of alarms per operator in ten minutes.

    >>> [alarm_rate_rating(average) for average in (0.0, 1.0, 1.5, 5.0, 10.1)]
    ['acceptable', 'acceptable', 'manageable', 'over-demanding', 'unacceptable']
    """
    return next((word for most, word in _RATINGS if average <= most), "unacceptable")


def statistics_model(
    statistics: AlarmStatistics,
    standing: Iterable[AlarmEvent],
    interval: tuple[Instant, Instant],
    now: Instant,
    *,
    operators: int,
    truncated: bool,
) -> models.AlarmStatisticsModel:
    """Return the statistics of an interval, and the stale ones of the alarms that stand `now`."""
    start, end = interval
    standing = list(standing)
    return models.AlarmStatisticsModel(
        start=format_instant(start),
        end=format_instant(end),
        operators=operators,
        annunciated=statistics.annunciated,
        per_operator_ten_minutes=models.AlarmRate(
            average=statistics.average,
            peak=statistics.peak,
            peak_time=format_optional_instant(statistics.peak_time),
            rating=alarm_rate_rating(statistics.average),
        ),
        floods=[_flood(flood) for flood in statistics.floods],
        flooded_share=statistics.flooded_share,
        chattering=[_alarm_count(each) for each in statistics.chattering],
        fleeting=[_alarm_count(each) for each in statistics.fleeting],
        bad_actors=[
            models.BadActor(alarm_id=each.alarm, rule=each.rule, count=each.count, share=each.share)
            for each in statistics.bad_actors
        ],
        by_severity=models.SeverityCounts(
            **{severity.word: count for severity, count in statistics.by_severity.items()}
        ),
        acknowledged=statistics.acknowledged,
        acknowledge_delay=models.DelayPercentiles(
            p50=_optional_duration(statistics.acknowledge_p50),
            p95=_optional_duration(statistics.acknowledge_p95),
        ),
        standing=len(standing),
        stale=_stale(standing, now),
        truncated=truncated,
    )


def _stale(standing: Iterable[AlarmEvent], now: Instant) -> list[models.StaleAlarm]:
    """Return the stale alarms, oldest first."""
    stale = [
        (event.raised_time, event.alarm, event.rule)
        for event in standing
        if event.active and event.raised_time is not None and now - event.raised_time > STALE_AFTER
    ]
    return [
        models.StaleAlarm(alarm_id=alarm, rule=rule, raised_time=format_instant(raised))
        for raised, alarm, rule in sorted(stale)
    ]


def _flood(flood: Flood) -> models.FloodModel:
    return models.FloodModel(
        start=format_instant(flood.start),
        end=format_instant(flood.end),
        count=flood.count,
        peak=flood.peak,
    )


def _alarm_count(count: AlarmCount) -> models.AlarmCountModel:
    return models.AlarmCountModel(alarm_id=count.alarm, rule=count.rule, count=count.count)


def _optional_duration(duration: Duration | None) -> str | None:
    return format_duration(duration) if duration is not None else None
