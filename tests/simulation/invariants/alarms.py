"""Invariants of alarms and incidents after everything was delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runtime.kafka import topics
from tests.simulation.invariants.observations import CheckedObservations, FinalState
from tests.simulation.system.simulated_log import SimulatedLog
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.condition_value import OperandMemory, evaluate_condition
from twin.alarms.evaluation.level_state import LevelStates, SeverityChange
from twin.alarms.incident import keeps_open
from twin.alarms.messages import ALARMS, AlarmBatch, AlarmEvent, IncidentEvent, alarm_id
from twin.alarms.rules.operand import Point
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.instant import INSTANT_MAX, Instant
from twin.state.freshness import live_duration
from twin.wire.messages import AGGREGATES


def _batches(log: SimulatedLog) -> Iterator[AlarmBatch]:
    for topic, partition in log.partitions():
        if topic == topics.ALARMS:
            for offset in range(log.end(topic, partition)):
                yield ALARMS.decode(log.read(topic, partition, offset))


def alarm_revisions_are_unique(log: SimulatedLog) -> Iterator[str]:
    """Events with equal revisions are equal, and new revisions increase."""
    published: dict[tuple[str, int], AlarmEvent | IncidentEvent] = {}
    highest: dict[str, int] = {}
    for batch in _batches(log):
        named: list[tuple[str, AlarmEvent | IncidentEvent]] = [
            *((f"alarm {one.alarm}", one) for one in batch.alarms),
            *((f"incident {one.incident.rpartition('~')[0]}", one) for one in batch.incidents),
        ]
        for name, event in named:
            known = published.setdefault((name, event.revision), event)
            if known is not event:
                if known != event:
                    yield f"revision {event.revision} of {name}: {known} and {event}"
            elif event.revision <= highest.get(name, 0):
                yield f"revision {event.revision} of {name} follows {highest[name]}"
            highest[name] = max(event.revision, highest.get(name, 0))


def _newest(
    logs: Sequence[SimulatedLog],
) -> tuple[dict[str, AlarmEvent], dict[str, IncidentEvent]]:
    alarms: dict[str, AlarmEvent] = {}
    incidents: dict[str, IncidentEvent] = {}
    for batch in (one for log in logs for one in _batches(log)):
        for alarm in batch.alarms:
            alarms[alarm.alarm] = max(alarm, alarms.get(alarm.alarm, alarm), key=lambda event: event.revision)
        for incident in batch.incidents:
            key = incident.incident.rpartition("~")[0]
            incidents[key] = max(incident, incidents.get(key, incident), key=lambda event: event.revision)
    return alarms, incidents


def incidents_are_open_while_alarms_are_active(logs: Sequence[SimulatedLog]) -> Iterator[str]:
    """An incident is open exactly while an alarm of its cause and area is active and neither shelved nor
    suppressed.
    """
    alarms, incidents = _newest(logs)
    speaking = Counter(
        f"{alarm.cause}~{alarm.area}"
        for alarm in alarms.values()
        if alarm.active and alarm.state in ("unacknowledged", "acknowledged")
    )
    for key in speaking.keys() | incidents.keys():
        incident = incidents.get(key)
        if (incident is not None and incident.open) != bool(speaking[key]):
            yield f"incident {key}: {incident}, {speaking[key]} alarms speak"
        elif incident is not None:
            members = {one.alarm for one in incident.members if keeps_open(one)}
            if len(members) != speaking[key]:
                yield f"incident {key}: {members} speak, expected {speaking[key]}"


class ExpectedAlarm(NamedTuple):
    """The expected severity and start of an alarm."""

    severity: int
    since: Instant | None


def alarms_match_rules(
    ending: FinalState, judged: CheckedObservations, logs: Sequence[SimulatedLog]
) -> Iterator[str]:
    """An alarm is active exactly since its rule holds for all observations.

    Checks rules about single values of one sensor, unless an observation was too late to be evaluated.
    """
    alarms, _ = _newest(logs)
    too_late = repaired_datastreams(logs)
    bindings = RuleIndex(ending.model)
    for entity in ending.model.entities:
        for bound in bindings.rules_of(entity).rules.values():
            datastream = _only_datastream(bound, ending)
            if datastream is None or datastream in too_late or datastream not in judged:
                continue
            expected = _expected(bound, ending, judged, datastream)
            event = alarms.get(alarm_id(bound.rule.id, entity))
            found = (
                ExpectedAlarm(int(event.severity), event.raised_time)
                if event is not None and event.active
                else None
            )
            if found != (expected if expected.severity else None):
                yield f"alarm {bound.rule.id} of {entity}: {found}, expected {expected}; {event}"


def _only_datastream(bound: BoundRule, ending: FinalState) -> int | None:
    if len(bound.series) != 1 or bound.series[0].over != "instant" or bound.fault:
        return None
    found = ending.model.datastreams_of(bound.entity, bound.series[0].name)
    return found[0].id if len(found) == 1 else None


def _expected(bound: BoundRule, ending: FinalState, judged: CheckedObservations, id: int) -> ExpectedAlarm:
    interval = live_duration(ending.model.datastreams[id].interval)
    progress, sight, usual = LevelStates.initial(bound.level_config), OperandMemory.initial(bound), Baseline()
    shifts: list[SeverityChange] = []
    for observation in judged[id]:
        point = Point(
            observation.phenomenon_time,
            observation.value,
            observation.flags,
            observation.phenomenon_time + interval,
        )
        found = evaluate_condition(point.time, {0: point}, sight, usual, bound)
        if found is not None:
            shifts += progress.on_value(found, bound.level_config)
    shifts += progress.advance(INSTANT_MAX, bound.level_config)
    since = None
    for shift in shifts:
        since = (since or shift.time) if shift.severity else None
    return ExpectedAlarm(progress.severity(bound.level_config), since)


def repaired_datastreams(logs: Sequence[SimulatedLog]) -> set[int]:
    """Return the datastreams with observations that came too late for the windows in memory."""
    return {
        repair.datastream
        for log in logs
        for topic, partition in log.partitions()
        if topic == topics.AGGREGATES
        for offset in range(log.end(topic, partition))
        for repair in AGGREGATES.decode(log.read(topic, partition, offset)).repairs
    }
