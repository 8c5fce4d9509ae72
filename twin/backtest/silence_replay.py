"""The replay of rules about silent sensors and outages, over the times at which messages were received.

History does not contain the times at which the system itself could not receive. Live, they do not count as
silence; here they do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from twin.alarms.evaluation.explanation import outage_sentence, silence_sentence
from twin.alarms.evaluation.shared_dependency import DependencyActivity, SharedDependencies, alarm_suffix
from twin.alarms.evaluation.silence import SensorActivity, monitored_sensors, report_spacing, silent_from
from twin.alarms.messages import alarm_id
from twin.alarms.rules.rule import OutageCondition, SilenceCondition
from twin.alarms.rules.rule_index import BoundRule
from twin.backtest.firing import Firing
from twin.backtest.point_column import Instants
from twin.backtest.readings import DatastreamReadings
from twin.instant import INSTANT_MIN, Instant
from twin.model.city_model import CityModel
from twin.model.sensor import Sensor
from twin.state.freshness import TRANSMISSION_GRACE

_NONE: Instants = np.zeros(0, np.int64)


@dataclass(slots=True)
class SilenceReplay:
    """A rule about silence on one entity. Mutable."""

    bound: BoundRule
    model: CityModel
    dependencies: SharedDependencies
    error: str = ""
    _readings: defaultdict[int, list[tuple[Instants, Instants]]] = field(
        default_factory=lambda: defaultdict(list)
    )  # by datastream: times of reception and of measurement
    _firings: list[Firing] = field(default_factory=list)

    def datastreams(self) -> frozenset[int]:
        """Return the datastreams that the rule monitors."""
        sensors = {one.id for one in self._sensors()}
        return frozenset(one.id for one in self.model.datastreams.values() if one.sensor in sensors)

    def _sensors(self) -> Iterable[Sensor]:
        condition = self.bound.rule.condition
        if isinstance(condition, SilenceCondition):
            found = monitored_sensors(self.bound.entity, condition, self.model)
            return [one for one in found if not one.personal]
        if isinstance(condition, OutageCondition):
            names = self.dependencies.of_entity(self.bound.entity, condition)
            return [one for name in names for one in self.dependencies.dependent_sensors(name).values()]
        return []

    def on_readings(self, readings: Mapping[int, DatastreamReadings]) -> None:
        """Add the next chunk; observations measured in it may have been received later."""
        for id in self.datastreams() & readings.keys():
            self._readings[id].append((readings[id].received, readings[id].times))

    def end(self, end: Instant) -> None:
        """Evaluate all chunks, up to the end of history."""
        condition = self.bound.rule.condition
        if isinstance(condition, SilenceCondition):
            for sensor in self._sensors():
                reports = self._report_times(sensor, self.bound.entity)
                self._firings += self._silences(condition, sensor, reports, end)
        elif isinstance(condition, OutageCondition):
            for dependency in self.dependencies.of_entity(self.bound.entity, condition):
                self._firings += self._outages(condition, dependency, end)

    def firings(self) -> list[Firing]:
        """Return the firings, oldest first for each sensor or dependency."""
        return self._firings

    def _report_times(self, sensor: Sensor, entity: str | None = None) -> Instants:
        """Return when new data of a sensor were received, as reported to the alarm stage."""
        pairs = [
            pair
            for datastream in self.model.datastreams.values()
            if datastream.sensor == sensor.id and entity in (None, datastream.entity)
            for pair in self._readings.get(datastream.id, ())
        ]
        if not pairs:
            return _NONE
        received = np.concatenate([pair[0] for pair in pairs])
        measured = np.concatenate([pair[1] for pair in pairs])
        order = np.lexsort((measured, received))
        received, measured = received[order], measured[order]
        newest = np.maximum.accumulate(measured)
        is_new = np.concatenate(([True], newest[1:] > newest[:-1]))
        return _spaced(received[is_new], report_spacing(sensor))

    def _silences(
        self, silence: SilenceCondition, sensor: Sensor, reports: Instants, end: Instant
    ) -> Iterable[Firing]:
        if not len(reports):
            return
        next_reports = np.append(reports[1:], end)
        limit = silent_from(silence, sensor, SensorActivity(received_time=0), INSTANT_MIN)
        for index in np.flatnonzero(next_reports - reports > limit).tolist():
            last = int(reports[index])
            sentences = silence_sentence(
                self.bound.rule.title, self._name(), sensor.id, (last, self.bound.timezone), returned=False
            )
            yield self._firing(
                sensor.id,
                silent_from(silence, sensor, SensorActivity(last, last), INSTANT_MIN),
                int(next_reports[index]) if index + 1 < len(reports) else None,
                sentences,
            )

    def _outages(self, outage: OutageCondition, dependency_id: str, end: Instant) -> Iterable[Firing]:
        sensors = self.dependencies.dependent_sensors(dependency_id)
        reports = {id: self._report_times(one) for id, one in sensors.items()}
        reports = {id: times for id, times in reports.items() if len(times)}
        if not reports:
            return
        all_reports = np.unique(np.concatenate(list(reports.values())))
        next_reports = np.append(all_reports[1:], end)
        # No report is missed earlier than half of the shortest interval, and the grace, after a reception.
        shortest_gap = min(sensors[id].interval for id in reports) // 2 + TRANSMISSION_GRACE
        for index in np.flatnonzero(next_reports - all_reports > shortest_gap).tolist():
            last, until = int(all_reports[index]), int(next_reports[index])
            activity = DependencyActivity(_last_reports(reports, last))
            due = activity.outage_from(outage, sensors, INSTANT_MIN)
            if due is not None and due < until:
                name_and_count = dependency_id, len(sensors)
                sentences = outage_sentence(
                    self.bound.rule.title,
                    self._name(),
                    name_and_count,
                    (last, self.bound.timezone),
                    returned=False,
                )
                returned = until if index + 1 < len(all_reports) else None
                yield self._firing(alarm_suffix(outage, dependency_id), due, returned, sentences)

    def _firing(
        self, sensor: str, raised: Instant, returned: Instant | None, sentences: tuple[str, str]
    ) -> Firing:
        condition = self.bound.rule.condition
        assert isinstance(condition, SilenceCondition | OutageCondition)  # noqa: S101 - others do not listen
        return Firing(
            alarm=alarm_id(self.bound.rule.id, self.bound.entity, sensor),
            entity=self.bound.entity,
            sensor=sensor,
            raised=raised,
            returned=returned,
            severity=condition.severity,
            sentence_en=sentences[0],
            sentence_nl=sentences[1],
        )

    def _name(self) -> str:
        return self.model.entities[self.bound.entity].name


def _last_reports(reports: Mapping[str, Instants], until: Instant) -> dict[str, Instant]:
    """Return the last report of each sensor up to an instant; sensors without one are left out."""
    counts = {id: int(times.searchsorted(until, "right")) for id, times in reports.items()}
    return {id: int(reports[id][count - 1]) for id, count in counts.items() if count}


def _spaced(times: Instants, every: int) -> Instants:
    """Return the times without those that follow too soon after a kept one."""
    if len(times) < 2 or int(np.diff(times).min()) >= every:
        return times
    spaced: list[int] = []
    index = 0
    while index < len(times):
        spaced.append(int(times[index]))
        index = int(times.searchsorted(times[index] + every))
    return np.array(spaced, np.int64)
