"""Makes events of stored observations and of stored events of alarms, as they were sent when they came. Pure.

An observation is a new state unless a newer one of its datastream was received before. A value of several
sensors is combined from the newest observation of each. Revisions and what neighbours said are not stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from math import isfinite
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import numpy as np

from api.entities.selection import ResolvedFilter
from api.live.alarm_events import alarm_data
from api.live.cursor import Cursor, HistoryPlace, encode_cursor
from api.live.events import encode_event, state_data
from storage.history.observation_columns import ObservationColumns, ObservedDatastream
from storage.stores.alarms import StoredAlarmEvent
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.state.combination import CombinationInput, combine
from twin.state.freshness import Freshness, freshness
from twin.wire.messages import Update

STORED_REVISION = 0
"""Of all played values: those of the log are greater."""


_OBSERVATION, _ALARM = 0, 1
"""In the order of events of one time."""

_Dated: TypeAlias = tuple[Instant, int, Observation | AlarmEvent]


class HistoryPage(NamedTuple):
    """What comes next of stored history, and the place behind it."""

    observations: ObservationColumns | None  #: None: none are asked for
    alarms: Sequence[AlarmEvent]
    end: HistoryPlace  #: behind all of it


class PageLimits(NamedTuple):
    """So many rows may come with a page; when so many came, there may be more."""

    observations: int
    alarms: int


def history_page(
    start: Instant,
    end: Instant,
    observations: ObservationColumns | None,
    alarms: Sequence[StoredAlarmEvent],
    limits: PageLimits,
) -> HistoryPage:
    """Return what was read of a span as far as all of it is known: to the end, or as far as both were read.

    `observations` and `alarms` are in the order of history, and begin at the same place; `start` is that of
    the whole history.
    """
    known_to = end, _OBSERVATION - 1
    place = HistoryPlace.between(start, end)
    if observations is not None and len(observations.value) == limits.observations:
        time, last = int(observations.received_time[-1]), observations.last
        known_to = time, _OBSERVATION
        place = HistoryPlace(start, time, last.datastream, last.phenomenon_time)
    if len(alarms) == limits.alarms and (alarms[-1].event.told_time, _ALARM) < known_to:
        known_to = alarms[-1].event.told_time, _ALARM
        place = HistoryPlace.of_alarm(start, alarms[-1].event)
    if observations is not None:
        count = np.searchsorted(observations.received_time, known_to[0], side="right")
        observations = observations.rows(slice(int(count)))
    # Events that were added to the past of an alarm are not sent.
    told = [
        each.event for each in alarms if not each.amendment and (each.event.told_time, _ALARM) <= known_to
    ]
    return HistoryPage(observations, told, place)


class HistoryEvents:
    """The newest observation of each datastream, at a place in the order of reception."""

    def __init__(
        self, selected: Sequence[ObservedDatastream], selection: ResolvedFilter, model: CityModel
    ) -> None:
        self._selection = selection
        self._model = model
        self._values = {each.source.id: (each.entity, each.property) for each in selected}
        self._datastreams: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for id, value in self._values.items():
            self._datastreams[value].append(id)
        self._newest: dict[int, Observation] = {}
        self.has_alarms = "alarm" in selection.filter.change_kinds  #: whether events of alarms are asked for
        self.alarm_revisions: dict[str, int] = {}  #: the last one that was played, by alarm

    def begin(self, newest: ObservationColumns) -> None:
        """Take over the newest observation of each datastream before the first one to play."""
        self._newest = {each.datastream: each for each in _observations(newest)}

    def events(self, page: HistoryPage) -> Iterator[bytes]:
        """Yield the events of the next page of history, in order; b"" for what has none."""
        start = page.end.start
        observations = _observations(page.observations) if page.observations is not None else ()
        known: Iterable[_Dated] = ((each.received_time, _OBSERVATION, each) for each in observations)
        told: Iterable[_Dated] = ((each.told_time, _ALARM, each) for each in page.alarms)
        for _, _, item in merge(known, told, key=itemgetter(0, 1)):
            if isinstance(item, AlarmEvent):
                yield self._alarm_event(item, start)
            else:
                yield self._event(item, start) if self._changes(item) else b""

    def _alarm_event(self, event: AlarmEvent, start: Instant) -> bytes:
        data = alarm_data(event, self._model) if self._selection.matches_alarm(event) else None
        if data is None:
            return b""
        self.alarm_revisions[event.alarm] = event.revision
        return encode_event("alarm", _place_cursor(HistoryPlace.of_alarm(start, event)), data)

    def _changes(self, observation: Observation) -> bool:
        """Note an observation; return whether it is a new state of its datastream."""
        newest = self._newest.get(observation.datastream)
        if newest is not None and (
            observation.phenomenon_time < newest.phenomenon_time
            or _published(observation) == _published(newest)
        ):
            return False
        self._newest[observation.datastream] = observation
        return True

    def _event(self, observation: Observation, start: Instant) -> bytes:
        entity, property = self._values[observation.datastream]
        newest = [self._newest[id] for id in self._datastreams[entity, property] if id in self._newest]
        parts = [CombinationInput(each, None, self._interval(each)) for each in newest]
        state = combine(self._model.properties[property], parts)
        if not isfinite(state.value):
            return b""
        update = Update(
            entity,
            property,
            STORED_REVISION,
            state.value,
            state.phenomenon_time,
            state.received_time,
            state.flags,
            state.datastreams,
            None,
            count=len(state.datastreams),
        )
        data = state_data(update, self._freshness(observation), self._model)
        if data is None:
            return b""
        place = HistoryPlace(
            start, observation.received_time, observation.datastream, observation.phenomenon_time
        )
        return encode_event("state", _place_cursor(place), data)

    def _interval(self, observation: Observation) -> int:
        datastream = self._model.datastreams.get(observation.datastream)
        return datastream.interval if datastream is not None else 0

    def _freshness(self, observation: Observation) -> Freshness:
        """Return the freshness at the reception."""
        interval = self._interval(observation)
        if not interval:
            return "live"  # The sensor has left the model, and its interval with it.
        return freshness(observation.phenomenon_time, interval, observation.received_time)


def _place_cursor(place: HistoryPlace) -> str:
    return encode_cursor(Cursor("", (), 0, history=place))


def _observations(columns: ObservationColumns) -> Iterable[Observation]:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return (Observation(*row) for row in rows)


def _published(observation: Observation) -> tuple[int, float, int]:
    return observation.phenomenon_time, observation.value, observation.flags
