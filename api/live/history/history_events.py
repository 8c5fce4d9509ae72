"""Makes state events of stored observations, as the stream did when they came. Pure.

An observation is a new state unless a newer one of its datastream was received before. A value of several
sensors is combined from the newest observation of each. Revisions and what neighbours said are not stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite

from api.live.cursor import Cursor, HistoryPlace, encode_cursor
from api.live.events import encode_event, state_data
from storage.history.observation_columns import ObservationColumns, ObservedDatastream
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.state.combination import CombinationInput, combine
from twin.state.freshness import Freshness, freshness
from twin.wire.messages import Update

STORED_REVISION = 0
"""Of all played values: those of the log are greater."""


class HistoryEvents:
    """The newest observation of each datastream, at a place in the order of reception."""

    def __init__(self, selected: Sequence[ObservedDatastream], model: CityModel) -> None:
        self._model = model
        self._values = {each.source.id: (each.entity, each.property) for each in selected}
        self._datastreams: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for id, value in self._values.items():
            self._datastreams[value].append(id)
        self._newest: dict[int, Observation] = {}

    def begin(self, newest: ObservationColumns) -> None:
        """Take over the newest observation of each datastream before the first one to play."""
        self._newest = {each.datastream: each for each in _observations(newest)}

    def events(self, columns: ObservationColumns, start: Instant) -> Iterator[bytes]:
        """Yield the events of the next observations of a history from `start` on; b"" for one without."""
        for observation in _observations(columns):
            yield self._event(observation, start) if self._changes(observation) else b""

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
        return encode_event("state", encode_cursor(Cursor("", (), 0, history=place)), data)

    def _interval(self, observation: Observation) -> int:
        datastream = self._model.datastreams.get(observation.datastream)
        return datastream.interval if datastream is not None else 0

    def _freshness(self, observation: Observation) -> Freshness:
        """Return the freshness at the reception."""
        interval = self._interval(observation)
        if not interval:
            return "live"  # The sensor has left the model, and its interval with it.
        return freshness(observation.phenomenon_time, interval, observation.received_time)


def _observations(columns: ObservationColumns) -> Iterable[Observation]:
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return (Observation(*row) for row in rows)


def _published(observation: Observation) -> tuple[int, float, int]:
    return observation.phenomenon_time, observation.value, observation.flags
