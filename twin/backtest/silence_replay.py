"""Replay of rules about what does not come, over when messages were received: silent sensors, and outages.

History does not know when nothing could be received at all, because we were away: live, that time does not
count; here it does.
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
    """A rule that listens, on one entity. Mutable."""

    bound: BoundRule
    model: CityModel
    supplies: SharedDependencies
    error: str = ""
    _told: defaultdict[int, list[tuple[Instants, Instants]]] = field(
        default_factory=lambda: defaultdict(list)
    )  # by datastream: times of reception and of measurement
    _firings: list[Firing] = field(default_factory=list)

    def datastreams(self) -> frozenset[int]:
        """Return the datastreams that are listened to."""
        sensors = {one.id for one in self._sensors()}
        return frozenset(one.id for one in self.model.datastreams.values() if one.sensor in sensors)

    def _sensors(self) -> Iterable[Sensor]:
        condition = self.bound.rule.condition
        if isinstance(condition, SilenceCondition):
            found = monitored_sensors(self.bound.entity, condition, self.model)
            return [one for one in found if not one.personal]
        if isinstance(condition, OutageCondition):
            names = self.supplies.of_entity(self.bound.entity, condition)
            return [one for name in names for one in self.supplies.dependent_sensors(name).values()]
        return []

    def on_readings(self, readings: Mapping[int, DatastreamReadings]) -> None:
        """Take in the next stretch; what was measured in it may have been received later."""
        for id in self.datastreams() & readings.keys():
            self._told[id].append((readings[id].received, readings[id].times))

    def end(self, end: Instant) -> None:
        """Evaluate all, up to the end of history."""
        condition = self.bound.rule.condition
        if isinstance(condition, SilenceCondition):
            for sensor in self._sensors():
                heard = self._heard(sensor, self.bound.entity)
                self._firings += self._silences(condition, sensor, heard, end)
        elif isinstance(condition, OutageCondition):
            for supply in self.supplies.of_entity(self.bound.entity, condition):
                self._firings += self._outages(condition, supply, end)

    def firings(self) -> list[Firing]:
        """Return what was raised, oldest first of each sensor or supply."""
        return self._firings

    def _heard(self, sensor: Sensor, entity: str | None = None) -> Instants:
        """Return when something new was received of a sensor, as it is told to the stage of alarms."""
        told = [
            pair
            for one in self.model.datastreams.values()
            if one.sensor == sensor.id and entity in (None, one.entity)
            for pair in self._told.get(one.id, ())
        ]
        if not told:
            return _NONE
        received = np.concatenate([pair[0] for pair in told])
        measured = np.concatenate([pair[1] for pair in told])
        order = np.lexsort((measured, received))
        received, measured = received[order], measured[order]
        newest = np.maximum.accumulate(measured)
        news = np.concatenate(([True], newest[1:] > newest[:-1]))
        return _spaced(received[news], report_spacing(sensor))

    def _silences(
        self, silence: SilenceCondition, sensor: Sensor, heard: Instants, end: Instant
    ) -> Iterable[Firing]:
        if not len(heard):
            return
        following = np.append(heard[1:], end)
        limit = silent_from(silence, sensor, SensorActivity(received_time=0), INSTANT_MIN)
        for place in np.flatnonzero(following - heard > limit).tolist():
            last = int(heard[place])
            words = silence_sentence(
                self.bound.rule.title, self._name(), sensor.id, (last, self.bound.timezone), returned=False
            )
            yield self._firing(
                sensor.id,
                silent_from(silence, sensor, SensorActivity(last, last), INSTANT_MIN),
                int(following[place]) if place + 1 < len(heard) else None,
                words,
            )

    def _outages(self, outage: OutageCondition, supply: str, end: Instant) -> Iterable[Firing]:
        carried = self.supplies.dependent_sensors(supply)
        heard = {id: self._heard(one) for id, one in carried.items()}
        heard = {id: times for id, times in heard.items() if len(times)}
        if not heard:
            return
        everything = np.unique(np.concatenate(list(heard.values())))
        following = np.append(everything[1:], end)
        # No report is missed sooner than half of the shortest interval, and the grace, after anything came.
        least = min(carried[id].interval for id in heard) // 2 + TRANSMISSION_GRACE
        for place in np.flatnonzero(following - everything > least).tolist():
            last, until = int(everything[place]), int(following[place])
            life = DependencyActivity(_last_of(heard, last))
            due = life.outage_from(outage, carried, INSTANT_MIN)
            if due is not None and due < until:
                what = supply, len(carried)
                words = outage_sentence(
                    self.bound.rule.title, self._name(), what, (last, self.bound.timezone), returned=False
                )
                over = until if place + 1 < len(everything) else None
                yield self._firing(alarm_suffix(outage, supply), due, over, words)

    def _firing(
        self, sensor: str, raised: Instant, returned: Instant | None, words: tuple[str, str]
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
            sentence_en=words[0],
            sentence_nl=words[1],
        )

    def _name(self) -> str:
        return self.model.entities[self.bound.entity].name


def _last_of(heard: Mapping[str, Instants], until: Instant) -> dict[str, Instant]:
    """Return when each sensor was heard last up to an instant; those that were."""
    places = {id: int(times.searchsorted(until, "right")) for id, times in heard.items()}
    return {id: int(heard[id][place - 1]) for id, place in places.items() if place}


def _spaced(times: Instants, every: int) -> Instants:
    """Return the times without those that follow too soon on one that stays."""
    if len(times) < 2 or int(np.diff(times).min()) >= every:
        return times
    kept: list[int] = []
    place = 0
    while place < len(times):
        kept.append(int(times[place]))
        place = int(times.searchsorted(times[place] + every))
    return np.array(kept, np.int64)
