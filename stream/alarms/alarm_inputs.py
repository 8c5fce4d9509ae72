"""The records of `alarm-inputs` that the entity and area stages send: points, sensor reports and ticks.

Only points that a rule uses are sent. A replay after a crash sends the same points with the same revision,
which the alarm stage ignores.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.engine.stage import OutputRecord, record_chunks
from twin.alarms.evaluation.operand_points import (
    derived_point,
    derived_series_interval,
    property_points,
    window_point,
)
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
    """Collects the alarm inputs of one record; `take_outputs` empties it."""

    rule_index: RuleIndex
    dependencies: SharedDependencies
    revision: int = 0
    probes: list[Probe] = field(default_factory=list)  #: to be sent on after everything else
    _points: dict[OperandSeries, dict[Instant, Point]] = field(default_factory=dict)
    _sensor_reports: list[SensorReport] = field(default_factory=list)
    _dependency_reports: list[DependencyReport] = field(default_factory=list)
    _intervals: dict[OperandSeries, Duration] = field(default_factory=dict)  # of derived values
    # Log time and phenomenon time of the last report, by entity and sensor. Not state: it saves records.
    _last_reports: dict[tuple[str, str], tuple[Instant, Instant]] = field(default_factory=dict)

    @property
    def model(self) -> CityModel:
        """The model whose rules use the inputs."""
        return self.rule_index.model

    def rule_windows(self, entity: str) -> list[tuple[str, Duration]]:
        """Return the windows that rules use, by property and size."""
        return [
            (series.name, WINDOW_SIZES[series.over])
            for series in self.rule_index.watched_series(entity)
            if series.over != "instant"
        ]

    def add_observed(self, entity: str, property: str, state: EntityState, since: Instant) -> None:
        """Add the points of a property from a phenomenon time on."""
        series = self.rule_index.watched_instant(entity, property)
        if series is not None:
            self._add(series, property_points(state, property, since, self.model))

    def add_window(self, entity: str, property: str, aggregate: Aggregate, derived: DerivedState) -> bool:
        """Add the points of a closed window; return False where rules use one that is not in memory.

        The windows of other datastreams are not known then, either.
        """
        watched = self.rule_index.watched_windows(entity, property, aggregate.size)
        history = derived.window_histories.get(property, {}).get(aggregate.size) if watched else None
        if history is None:
            return True
        if aggregate.start <= history.floor:
            return False
        for series in watched:
            point = window_point(series, aggregate, history, self.model.properties[property])
            if point is not None:
                self._add(series, [point])
        return True

    def add_derived(self, entity: str, value: DerivedValue) -> None:
        """Add a derived value of an entity.

        A value that is emitted again because its inputs have failed since was right at its time. It stays
        valid until its interval is over, and no alarm is retracted. A value that is withdrawn becomes a point
        that is valid at no time.
        """
        series = self.rule_index.watched_instant(entity, value.name)
        if not value.in_series or series is None:
            return
        time = value.phenomenon_time
        self._add_derived_point(series, value.value, time, value.flags)

    def add_area_value(self, update: Update) -> None:
        """Add a value of an area, by the rule of `add_derived`."""
        series = self.rule_index.watched_instant(update.entity, update.property)
        if update.last_good is not None or series is None:
            return
        time = update.phenomenon_time
        self._add_derived_point(series, update.value, time, update.flags)

    def _add_derived_point(self, series: OperandSeries, value: float, time: Instant, flags: int) -> None:
        if math.isnan(value):
            self._add(series, [Point.withdrawn(time)])
            return
        interval = self._intervals.get(series)
        if interval is None:
            interval = self._intervals[series] = derived_series_interval(series, self.model)
        self._add(series, [derived_point(value, time, flags, interval)])

    def add_sensor_report(self, datastream: Datastream, newest: Observation, now: Instant) -> None:
        """Add that a sensor reported, if a rule on silence or outages needs it."""
        sensor = self.model.sensors.get(datastream.sensor)
        if sensor is None or not self.rule_index.has_silence_rules:
            return
        key = datastream.entity, sensor.id
        reported_at, known = self._last_reports.get(key, (INSTANT_MIN, INSTANT_MIN))
        # Windows fall due between two messages: an old observation must not hold back the next message.
        if newest.phenomenon_time <= known or now - reported_at < report_spacing(sensor):
            return
        self._last_reports[key] = now, newest.phenomenon_time
        self._sensor_reports.append(SensorReport(*key, newest.received_time, newest.phenomenon_time))
        for dependency in dependencies_of(sensor):
            owner = self.dependencies.entity_of(dependency)
            if owner:
                report = DependencyReport(owner, dependency, sensor.id, newest.received_time)
                self._dependency_reports.append(report)

    def add_entity(self, entity: str, state: EntityState) -> None:
        """Add all points and reports of an entity's state, at the beginning of a log."""
        datastreams = [one for id in state.datastreams if (one := self.model.datastreams.get(id)) is not None]
        for property in sorted({datastream.property for datastream in datastreams}):
            self.add_observed(entity, property, state, INSTANT_MIN)
        for datastream in datastreams:
            newest = state.datastreams[datastream.id].newest
            self.add_sensor_report(datastream, newest, newest.received_time)

    def _add(self, series: OperandSeries, points: list[Point]) -> None:
        if points:
            by_time = self._points.setdefault(series, {})
            for point in points:
                by_time[point.time] = point

    def take_outputs(
        self, partition: int, partitions: int, now: Instant, *, clock: bool
    ) -> list[OutputRecord]:
        """Return the records, and empty the buffer; with `clock`, add a tick for this partition."""
        outputs = [
            OutputRecord(topics.ALARM_INPUTS, number, ALARM_INPUTS.encode(batch))
            for number, inputs in sorted(self._by_partition(partitions).items())
            for batch in inputs.batches(now)
        ]
        if clock:
            tick = AlarmInputBatch(LAYOUT_VERSION, now, True)
            outputs.append(OutputRecord(topics.ALARM_INPUTS, partition, ALARM_INPUTS.encode(tick)))
        if self.probes:
            batch = AlarmInputBatch(LAYOUT_VERSION, now, False, probes=tuple(self.probes))
            outputs.append(OutputRecord(topics.ALARM_INPUTS, partition, ALARM_INPUTS.encode(batch)))
        self._points, self._sensor_reports, self._dependency_reports, self.probes = {}, [], [], []
        return outputs

    def _by_partition(self, partitions: int) -> dict[int, _PartitionInputs]:
        inputs: defaultdict[int, _PartitionInputs] = defaultdict(_PartitionInputs)
        for series, by_time in self._points.items():
            points = SeriesPoints(series, self.revision, tuple(by_time[time] for time in sorted(by_time)))
            entities = self.rule_index.watching_entities(series)
            for number in {partition_of(entity, partitions) for entity in entities}:
                inputs[number].points.append(points)
        for sensor_report in self._sensor_reports:
            inputs[partition_of(sensor_report.entity, partitions)].sensor_reports.append(sensor_report)
        for report in self._dependency_reports:
            inputs[partition_of(report.entity, partitions)].dependency_reports.append(report)
        return inputs


@dataclass(slots=True)
class _PartitionInputs:
    """The inputs for one partition."""

    points: list[SeriesPoints] = field(default_factory=list)
    sensor_reports: list[SensorReport] = field(default_factory=list)
    dependency_reports: list[DependencyReport] = field(default_factory=list)

    def batches(self, now: Instant) -> list[AlarmInputBatch]:
        """Return the inputs as the contents of records: points first, then reports."""
        batches = [
            AlarmInputBatch(LAYOUT_VERSION, now, False, points=tuple(part))
            for part in record_chunks(self.points)
        ]
        batches += [
            AlarmInputBatch(LAYOUT_VERSION, now, False, sensor_reports=tuple(part))
            for part in record_chunks(self.sensor_reports)
        ]
        batches += [
            AlarmInputBatch(LAYOUT_VERSION, now, False, dependency_reports=tuple(part))
            for part in record_chunks(self.dependency_reports)
        ]
        return batches
