"""What the stages of entities and areas tell that of alarms: points that rules look at, and signs of life.

Nothing of an entity is told that no rule looks at. What is told twice, after a crash, has the same revision
and changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.engine.stage import OutputRecord, record_chunks
from twin.alarms.evaluation.operand_points import derived_point, property_points, window_point
from twin.alarms.evaluation.shared_dependency import SharedDependencies, dependencies_of
from twin.alarms.evaluation.silence import report_spacing
from twin.alarms.messages import ALARM_INPUTS, AlarmInputBatch, DependencyReport, SensorReport, SeriesPoints
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries, Point
from twin.alarms.rules.rule_index import RuleIndex
from twin.instant import INSTANT_MIN, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.state.derived_state import DerivedState, DerivedValue
from twin.state.entity_state import EntityState
from twin.state.window import Aggregate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import Update, partition_of
from twin.wire.probe import Probe


@dataclass(slots=True)
class AlarmInputBuffer:
    """Collects what one record makes a stage tell the stage of alarms; emptied by `take_outputs`."""

    rule_index: RuleIndex
    dependencies: SharedDependencies
    revision: int = 0
    probes: list[Probe] = field(default_factory=list)  #: that came by, to be passed on behind all else
    _points: dict[OperandSeries, dict[Instant, Point]] = field(default_factory=dict)
    _heard: list[SensorReport] = field(default_factory=list)
    _carried: list[DependencyReport] = field(default_factory=list)
    _begun: Instant = INSTANT_MIN
    # When what was told last, by entity and sensor. Not state: it spares records.
    _told: dict[tuple[str, str], tuple[Instant, Instant]] = field(default_factory=dict)

    @property
    def model(self) -> CityModel:
        """The model whose rules it is for."""
        return self.rule_index.model

    def rule_windows(self, entity: str) -> list[tuple[str, Duration]]:
        """Return the windows that rules look at, by property and size."""
        return [
            (one.name, WINDOW_SIZES[one.over])
            for one in self.rule_index.watched_series(entity)
            if one.over != "instant"
        ]

    def add_observed(self, entity: str, property: str, state: EntityState, since: Instant) -> None:
        """Tell what a property was at each time from a phenomenon time on."""
        series = self.rule_index.watched_instant(entity, property)
        if series is not None:
            self._add(series, property_points(state, property, since, self.model))

    def add_window(self, entity: str, property: str, aggregate: Aggregate, derived: DerivedState) -> None:
        """Tell a closed window."""
        trail = derived.window_histories.get(property, {}).get(aggregate.size)
        if trail is None:
            return
        for series in self.rule_index.watched_windows(entity, property, aggregate.size):
            point = window_point(series, aggregate, trail, self.model.properties[property])
            if point is not None:
                self._add(series, [point])

    def add_derived(self, entity: str, value: DerivedValue) -> None:
        """Tell a derived value of an entity.

        One that is told again because its inputs have failed since was right at its time: it stands until it
        speaks for the present no more, and no alarm is taken back.
        """
        series = self.rule_index.watched_instant(entity, value.name)
        if value.last_good is None and series is not None:
            self._add(
                series, [derived_point(value.value, value.phenomenon_time, value.flags, value.interval)]
            )

    def add_area_value(self, update: Update) -> None:
        """Tell a value of an area, as `add_derived` does."""
        series = self.rule_index.watched_instant(update.entity, update.property)
        if update.last_good is None and series is not None:
            point = derived_point(update.value, update.phenomenon_time, update.flags, update.interval)
            self._add(series, [point])

    def add_sensor_report(self, datastream: Datastream, newest: Observation, now: Instant) -> None:
        """Tell that a sensor spoke, where a rule listens for that."""
        sensor = self.model.sensors.get(datastream.sensor)
        if sensor is None or not self.rule_index.has_silence_rules:
            return
        key = datastream.entity, sensor.id
        told_at, known = self._told.get(key, (INSTANT_MIN, INSTANT_MIN))
        # Windows fall due between two messages: old news must not keep the next message from being told.
        if newest.phenomenon_time <= known or now - told_at < report_spacing(sensor):
            return
        self._told[key] = now, newest.phenomenon_time
        self._heard.append(SensorReport(*key, newest.received_time, newest.phenomenon_time))
        for supply in dependencies_of(sensor):
            owner = self.dependencies.entity_of(supply)
            if owner:
                self._carried.append(DependencyReport(owner, supply, sensor.id, newest.received_time))

    def add_entity(self, entity: str, state: EntityState) -> None:
        """Tell all that is kept of an entity, at the beginning of a log."""
        known = [one for id in state.datastreams if (one := self.model.datastreams.get(id)) is not None]
        for property in sorted({one.property for one in known}):
            self.add_observed(entity, property, state, INSTANT_MIN)
        for datastream in known:
            newest = state.datastreams[datastream.id].newest
            self._begun = max(self._begun, newest.received_time)
            self.add_sensor_report(datastream, newest, newest.received_time)

    def _add(self, series: OperandSeries, points: list[Point]) -> None:
        if points:
            known = self._points.setdefault(series, {})
            known.update((one.time, one) for one in points)

    def take_outputs(
        self, partition: int, partitions: int, now: Instant, *, clock: bool
    ) -> list[OutputRecord]:
        """Return the records, and forget what is in them; with `is_partition_clock`, one tells the time at
        least.
        """
        content: defaultdict[int, _PartitionInputs] = defaultdict(_PartitionInputs)
        for series, found in self._points.items():
            points = SeriesPoints(series, self.revision, tuple(found[time] for time in sorted(found)))
            for number in {
                partition_of(one, partitions) for one in self.rule_index.watching_entities(series)
            }:
                content[number].points.append(points)
        for heard in self._heard:
            content[partition_of(heard.entity, partitions)].heard.append(heard)
        for carried in self._carried:
            content[partition_of(carried.entity, partitions)].carried.append(carried)
        if now == INSTANT_MIN:  # the beginning of a log: no record has told the time yet
            now = self._begun
        probes, self.probes = tuple(self.probes), []
        self._points, self._heard, self._carried = {}, [], []
        outputs = [
            OutputRecord(topics.ALARM_INPUTS, number, ALARM_INPUTS.encode(batch))
            for number in sorted(content)
            for batch in content[number].batches(now)
        ]
        if clock:
            tick = AlarmInputBatch(LAYOUT_VERSION, now, True)
            outputs.append(OutputRecord(topics.ALARM_INPUTS, partition, ALARM_INPUTS.encode(tick)))
        if probes:
            passed_on = AlarmInputBatch(LAYOUT_VERSION, now, False, probes=probes)
            outputs.append(OutputRecord(topics.ALARM_INPUTS, partition, ALARM_INPUTS.encode(passed_on)))
        return outputs


@dataclass(slots=True)
class _PartitionInputs:
    """What one partition is told."""

    points: list[SeriesPoints] = field(default_factory=list)
    heard: list[SensorReport] = field(default_factory=list)
    carried: list[DependencyReport] = field(default_factory=list)

    def batches(self, now: Instant) -> list[AlarmInputBatch]:
        found = [
            AlarmInputBatch(LAYOUT_VERSION, now, False, points=tuple(part))
            for part in record_chunks(self.points)
        ]
        found += [
            AlarmInputBatch(LAYOUT_VERSION, now, False, sensor_reports=tuple(part))
            for part in record_chunks(self.heard)
        ]
        found += [
            AlarmInputBatch(LAYOUT_VERSION, now, False, dependency_reports=tuple(part))
            for part in record_chunks(self.carried)
        ]
        return found
