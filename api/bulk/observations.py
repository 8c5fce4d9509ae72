"""The rows of observations: of the datastreams that a query selects and its role may read."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.access.readable_series import is_personal, readable_series
from api.access.rights import Rights
from api.bulk.columns import OBSERVATIONS, BulkTable
from api.bulk.cursor import ObservationPlace, Period, check_query, query_digest
from api.bulk.schemas import ObservationDownloadParameters
from api.context import ApiContext
from api.entities.selection import select_entities
from api.http.problems import ProblemError
from api.http.responses import encode_page_cursor
from storage.history.observation_columns import (
    COLUMN_ROWS_MAX,
    BulkSeries,
    ObservationColumns,
    ObservedDatastream,
    check_kept,
    list_observed_datastreams,
    read_bulk_series,
    read_observation_columns,
)
from storage.history.observations import ObservationCursor
from twin.instant import DAY, INSTANT_MIN, MINUTE, Duration
from twin.model.city_model import CityModel
from twin.quality.quality_flags import quality_word

SPAN_MAX: Duration = 31 * DAY
"""Read by one statement: it touches few chunks, and ends in time when there is little to find."""

FILLED = 0.8
"""How full a part is to be by the rate of the rows so far: one that overflows is cut, and sorted again."""

_QUALITIES = ("good", "estimated", "late", "suspect", "maintenance")


@dataclass(frozen=True, slots=True)
class SelectedSeries:
    """The datastreams of a download, by id, and its query."""

    series: tuple[ObservedDatastream, ...]
    query: bytes  #: digest
    last_datastream: int


async def select_series(
    context: ApiContext,
    parameters: ObservationDownloadParameters,
    rights: Rights,
    place: ObservationPlace | None,
) -> SelectedSeries:
    """Return the selected datastreams whose single readings a principal may read.

    A datastream that the model no longer has counts where entity and property are known, as in the history of
    an entity. Raises a problem: 403 where all are personal data, 400 for a cursor of another selection.
    """
    model = context.model
    async with context.database.connection() as connection:
        found = await list_observed_datastreams(
            connection,
            properties=parameters.property,
            sensors=parameters.sensor,
            last=place.last_datastream if place is not None else None,
        )
    entities = {entity.id for entity in select_entities(parameters.filter(), model)}
    selected = [each for each in found if each.entity in entities and each.property in model.properties]
    readable = readable_series(selected, rights, model)
    if selected and not readable:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "These readings are personal data: they need an API key of the role metering. The history of an "
            "entity has the published sums over enough connections for every role.",
        )
    rights.read_households.update(each.entity for each in readable if is_personal(each, model))
    query = query_digest(
        OBSERVATIONS.name,
        sorted(parameters.property),
        sorted(parameters.sensor),
        sorted(parameters.type),
        sorted(parameters.parent),
        sorted(parameters.entity),
        [each.source.id for each in readable],
    )
    check_query(place.query if place is not None else None, query)
    last = place.last_datastream if place is not None else max((each.source.id for each in found), default=0)
    return SelectedSeries(tuple(readable), query, last)


class ObservationSource:
    """The observations of selected datastreams in a period, behind a position."""

    table: BulkTable = OBSERVATIONS

    def __init__(
        self,
        context: ApiContext,
        selected: SelectedSeries,
        series: BulkSeries,
        *,
        period: Period,
        after: ObservationCursor,
        limit: int | None,
    ) -> None:
        self._context = context
        self._selected = selected
        self._series = series
        self._period = period
        self._after = after
        self._limit = limit
        self._words = _SeriesWords(selected.series, context.model)

    @classmethod
    async def open(
        cls,
        context: ApiContext,
        selected: SelectedSeries,
        *,
        period: Period,
        place: ObservationPlace | None,
        limit: int | None,
    ) -> ObservationSource:
        """Return the source of a download. Raises QueryError when its first rows are not kept any more."""
        rules = {each.source.id: context.model.properties[each.property].quality for each in selected.series}
        async with context.database.connection() as connection:
            series = await read_bulk_series(connection, rules, period.known_at)
        after = (
            ObservationCursor(place.phenomenon_time, place.datastream)
            if place is not None
            else ObservationCursor(INSTANT_MIN, -1)
        )
        check_kept(max(period.start, after.phenomenon_time), series.raw_from)
        return cls(context, selected, series, period=period, after=after, limit=limit)

    async def pages(self) -> AsyncIterator[Callable[[], Any]]:
        """Yield what makes the batches, one after another."""
        if not self._series.datastreams:
            return
        span = _first_span(self._series)
        remaining = self._limit
        begin = max(self._period.start, self._after.phenomenon_time)
        while begin < self._period.end:
            end = min(begin + span, self._period.end)
            limit = COLUMN_ROWS_MAX if remaining is None else min(COLUMN_ROWS_MAX, remaining)
            async with (
                self._context.download_slots.reading,
                self._context.database.connection() as connection,
            ):
                page = await read_observation_columns(
                    connection, self._series, (begin, end), self._after, limit
                )
            rows = len(page.value)
            is_cut = rows == limit
            covered = end - begin
            if is_cut:
                self._after = page.last
                covered = self._after.phenomenon_time - begin
                begin = self._after.phenomenon_time
            else:
                begin, self._after = end, ObservationCursor(end, -1)
            span = next_span(covered, rows)
            if rows:
                is_last = not is_cut and begin >= self._period.end
                cursor = None if is_last else self._cursor(page.last)
                yield partial(self._words.batch, page, cursor)
            if remaining is not None:
                remaining -= rows
                if not remaining:
                    return

    def _cursor(self, last: ObservationCursor) -> str:
        selected = self._selected
        return encode_page_cursor(
            ObservationPlace(selected.query, *self._period, selected.last_datastream, *last)
        )


def _first_span(series: BulkSeries) -> Duration:
    """Return the time in which a part is expected to be filled."""
    # Sensors without an interval report at least each minute, for all that is known.
    rate = max(series.observations_per_us, 1 / MINUTE)
    return min(SPAN_MAX, max(1, int(FILLED * COLUMN_ROWS_MAX / rate)))


def next_span(covered: Duration, rows: int) -> Duration:
    """Return the time of the next part, by the rows that were found in the time before it.

    >>> next_span(1_000_000, COLUMN_ROWS_MAX), next_span(1_000_000, 0), next_span(0, COLUMN_ROWS_MAX)
    (800000, 4000000, 1)
    """
    filled = int(covered * FILLED * COLUMN_ROWS_MAX / rows) if rows else SPAN_MAX
    # One busy or quiet hour says little about the next.
    return max(1, min(filled, 4 * covered, SPAN_MAX))


class _SeriesWords:
    """What is the same in all rows of a datastream, as numbers of words."""

    def __init__(self, series: Sequence[ObservedDatastream], model: CityModel) -> None:
        self._ids = np.array([each.source.id for each in series], np.int32)
        present = [each.source.sensor if each.source.id in model.datastreams else None for each in series]
        self._columns = {
            "entityId": _numbered([each.entity for each in series]),
            "sensorId": _numbered(present),
            "property": _numbered([each.property for each in series]),
            "unit": _numbered([model.properties[each.property].unit for each in series]),
        }

    def batch(self, page: ObservationColumns, cursor: str | None) -> Any:
        """Return the batch of a page."""
        encoders = importlib.import_module("api.bulk.encoders")
        pa = encoders.pa
        places = np.searchsorted(self._ids, page.datastream)
        columns = {
            "phenomenonTime": _instants(pa, page.phenomenon_time),
            "receivedTime": _instants(pa, page.received_time),
            "datastreamId": pa.array(page.datastream, pa.int64()),
            # A calibration may make a number that there is not; JSON has none for it either.
            "value": pa.array(page.value, pa.float64(), mask=~np.isfinite(page.value)),
            "quality": encoders.words(_qualities(page.flags), _QUALITIES),
            "cursor": encoders.mark_last(len(page.value), cursor),
            **{
                name: encoders.words(numbers[places], texts)
                for name, (numbers, texts) in self._columns.items()
            },
        }
        names = [column.name for column in OBSERVATIONS.columns]
        return pa.RecordBatch.from_arrays([columns[name] for name in names], names=names)


def _numbered(texts: Sequence[str | None]) -> tuple[NDArray[np.int32], list[str]]:
    """Return the number of each text among the different ones, -1 for None, and these."""
    different = sorted({text for text in texts if text is not None})
    numbers = {text: number for number, text in enumerate(different)}
    return np.array(
        [numbers.get(text, -1) if text is not None else -1 for text in texts], np.int32
    ), different


def _instants(pa: Any, instants: NDArray[np.int64]) -> Any:
    return pa.array(instants, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _qualities(flags: NDArray[np.int16]) -> NDArray[np.int32]:
    different, places = np.unique(flags, return_inverse=True)
    numbers = np.array([_QUALITIES.index(quality_word(int(each))) for each in different], np.int32)
    return numbers[places]
