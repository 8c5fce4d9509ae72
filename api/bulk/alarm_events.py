"""The rows of events of alarms: those that a principal may see, in the order in which they were published."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np

from api.access.rights import Rights
from api.alarms.documents import event_model
from api.alarms.models import AlarmEventModel
from api.alarms.visibility import may_see_alarm, may_see_silent_meters
from api.bulk.columns import ALARM_EVENTS, BulkTable
from api.bulk.cursor import AlarmEventPlace, Period
from api.context import ApiContext
from api.entities.selection import ResolvedFilter
from api.http.models import wire_name
from api.http.responses import encode_page_cursor
from storage.stores.alarms import (
    ALARM_ROWS_MAX,
    PublishedEventPosition,
    StoredAlarmEvent,
    read_published_alarm_events,
)
from twin.instant import INSTANT_MIN, parse_instant
from twin.model.city_model import CityModel


class AlarmEventSource:
    """The events of selected alarms in a period, behind a position."""

    table: BulkTable = ALARM_EVENTS

    def __init__(
        self,
        context: ApiContext,
        rights: Rights,
        *,
        selection: ResolvedFilter,
        rules: frozenset[str],
        query: bytes,
        period: Period,
        place: AlarmEventPlace | None,
        limit: int | None,
    ) -> None:
        self._context = context
        self._model = context.model
        self._rights = rights
        self._selection = selection
        self._rules = rules
        self._query = query
        self._period = period
        self._limit = limit
        self._after = (
            PublishedEventPosition(*place[4:])
            if place is not None
            else PublishedEventPosition(INSTANT_MIN, "", 0, 0)
        )

    async def pages(self) -> AsyncIterator[Callable[[], Any]]:
        """Yield what makes the batches, one after another."""
        remaining = self._limit
        is_last = False
        while not is_last:
            async with (
                self._context.download_slots.reading,
                self._context.database.connection() as connection,
            ):
                page = await read_published_alarm_events(connection, *self._period, self._after)
            is_last = len(page) < ALARM_ROWS_MAX
            if page:
                self._after = _position(page[-1])
            visible = [each for each in page if self._is_visible(each)]
            if remaining is not None:
                is_last = is_last and len(visible) <= remaining
                visible = visible[:remaining]
                remaining -= len(visible)
            if visible:
                cursor = None if is_last else self._cursor(visible[-1])
                yield partial(self._batch, visible, cursor)
            if remaining == 0:
                return

    def _batch(self, events: Sequence[StoredAlarmEvent], cursor: str | None) -> Any:
        return batch_of(
            [event_model(each.event, self._model, self._rights, each.amendment) for each in events], cursor
        )

    def _is_visible(self, stored: StoredAlarmEvent) -> bool:
        event = stored.event
        return (
            self._selection.matches_alarm(event)
            and (not self._rules or event.rule in self._rules)
            and may_see_alarm(self._rights, event, self._model)
        )

    def _cursor(self, last: StoredAlarmEvent) -> str:
        time, alarm, revision, amendment = _position(last)
        place = AlarmEventPlace(self._query, *self._period, time, alarm, revision, amendment)
        return encode_page_cursor(place)


def note_households(rights: Rights, selection: ResolvedFilter, model: CityModel) -> None:
    """Note the households of whose meters a download may tell; of which it does, shows only on the way."""
    rights.read_households.update(
        datastream.entity
        for datastream in model.datastreams.values()
        if datastream.entity in selection.entities
        and model.policy_of(datastream).personal
        and may_see_silent_meters(rights, datastream.entity)
    )


def _position(stored: StoredAlarmEvent) -> PublishedEventPosition:
    event = stored.event
    return PublishedEventPosition(event.told_time, event.alarm, event.revision, stored.amendment)


def batch_of(events: Sequence[AlarmEventModel], cursor: str | None) -> Any:
    """Return the batch (`pyarrow.RecordBatch`) of events, as `/v1/alarms/{id}/events` has them."""
    encoders = importlib.import_module("api.bulk.encoders")
    pa = encoders.pa
    values: dict[str, list[Any]] = {
        wire_name(field): [getattr(event, field) for event in events]
        for field in AlarmEventModel.__struct_fields__
    }
    values["sentenceEn"] = [event.sentence.en for event in events]
    values["sentenceNl"] = [event.sentence.nl for event in events]
    values["operands"] = [msgspec.json.encode(event.explanation.operands).decode() for event in events]
    columns = []
    for column in ALARM_EVENTS.columns:
        if column.name == "cursor":
            columns.append(encoders.mark_last(len(events), cursor))
        elif column.kind == "time":
            instants = [parse_instant(text) if text else None for text in values[column.name]]
            columns.append(pa.array(instants, pa.int64()).cast(pa.timestamp("us", tz="UTC")))
        elif column.kind == "word":
            different, numbers = np.unique([str(each) for each in values[column.name]], return_inverse=True)
            columns.append(encoders.words(numbers.astype(np.int32), different.tolist()))
        else:
            columns.append(pa.array(values[column.name], encoders.arrow_type(column)))
    return pa.RecordBatch.from_arrays(columns, names=[column.name for column in ALARM_EVENTS.columns])
