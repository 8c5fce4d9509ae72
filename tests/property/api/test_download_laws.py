"""The law of downloads: whatever is cut where, the parts together are the whole, and the order is one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from api.bulk import observations as bulk_observations
from api.bulk.columns import OBSERVATIONS
from api.bulk.cursor import ObservationPlace, Period
from api.bulk.encoders import ENCODERS, arrow_schema
from api.bulk.media_types import ARROW, CSV, JSON_LINES, PARQUET
from api.bulk.observations import ObservationSource, SelectedSeries
from api.bulk.slots import DownloadSlots
from api.http.responses import decode_page_cursor
from storage.history.lineage import SourceDatastream
from storage.history.observation_columns import BulkSeries, ObservationColumns, ObservedDatastream
from storage.history.observations import ObservationCursor
from tests.support.cities.small_cities import small_city
from tests.support.http.downloaded_rows import Row, read_rows
from twin.instant import HOUR, INSTANT_MIN, MINUTE

MODEL = small_city()
IDS = sorted(MODEL.datastreams)[:3]
PERIOD = Period(0, HOUR, 2 * HOUR)
QUERY = b"query"
FORMATS = (CSV, JSON_LINES, ARROW, PARQUET)


class Stored(NamedTuple):
    """A stored observation."""

    time: int
    datastream: int


@asynccontextmanager
async def no_connection() -> Any:
    yield None


SERIES = SelectedSeries(
    tuple(
        ObservedDatastream(
            SourceDatastream(id, MODEL.datastreams[id].sensor, False),
            MODEL.datastreams[id].entity,
            MODEL.datastreams[id].property,
        )
        for id in IDS
    ),
    QUERY,
    max(IDS),
)


def source(place: ObservationPlace | None, limit: int | None, rate: float) -> ObservationSource:
    context: Any = SimpleNamespace(
        model=MODEL,
        download_slots=DownloadSlots(),
        database=SimpleNamespace(connection=no_connection),
    )
    series = BulkSeries(PERIOD.known_at, IDS, [], [], [], INSTANT_MIN, rate)
    after = (
        ObservationCursor(INSTANT_MIN, -1)
        if place is None
        else ObservationCursor(place.phenomenon_time, place.datastream)
    )
    return ObservationSource(context, SERIES, series, period=PERIOD, after=after, limit=limit)


def reader(stored: Sequence[Stored]) -> Any:
    """Return what reads from these observations as the statement does."""

    async def read(
        _: Any, series: BulkSeries, span: tuple[int, int], after: ObservationCursor, limit: int
    ) -> ObservationColumns:
        found = [each for each in stored if span[0] <= each.time < span[1] and each > after][:limit]
        times = np.array([each.time for each in found], np.int64)
        return ObservationColumns(
            np.array([each.datastream for each in found], np.int32),
            times,
            times + MINUTE,
            times / 7,
            np.zeros(len(found), np.int16),
        )

    return read


async def rows_of(
    media_type: str, place: ObservationPlace | None, limit: int | None, rate: float
) -> list[Row]:
    encoder = ENCODERS[media_type](arrow_schema(OBSERVATIONS, {}))
    data = [encoder.start()]
    async for page in source(place, limit, rate).pages():
        data.append(encoder.encode(page()))
    return read_rows(media_type, b"".join([*data, encoder.finish()]), OBSERVATIONS)


# Many of one time, long silences, and times that are no whole second.
TIMES = st.one_of(st.integers(0, 20), st.integers(0, HOUR - 1), st.sampled_from([0, HOUR - 1, MINUTE]))
STORED = st.sets(st.builds(Stored, TIMES, st.sampled_from(IDS)), max_size=40).map(sorted)


@given(
    stored=STORED,
    rows_max=st.integers(1, 9),
    limits=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    rate=st.sampled_from([0.0, 1e-9, 1e-3, 5.0]),
    formats=st.lists(st.sampled_from(FORMATS), min_size=1, max_size=4),
)
def test_parts_together_are_the_whole(
    stored: list[Stored], rows_max: int, limits: list[int], rate: float, formats: list[str]
) -> None:
    async def check() -> None:
        whole = await rows_of(JSON_LINES, None, None, rate)
        assert [row["value"] for row in whole] == [each.time / 7 for each in stored]
        assert [row["datastreamId"] for row in whole] == [each.datastream for each in stored]
        parts: list[Row] = []
        place: ObservationPlace | None = None
        number = 0
        while True:
            # Each part with another number of rows, and in another format.
            limit, media_type = limits[number % len(limits)], formats[number % len(formats)]
            part = await rows_of(media_type, place, limit, rate)
            assert len(part) <= limit
            parts += part
            number += 1
            if not part or part[-1]["cursor"] is None:
                break
            place = decode_page_cursor(part[-1]["cursor"], ObservationPlace)
        assert [{**row, "cursor": None} for row in parts] == [{**row, "cursor": None} for row in whole]
        # A download that is cut anywhere goes on from the last cursor that came.
        for end in range(len(whole)):
            marks = [row["cursor"] for row in whole[:end]]
            kept = max((n + 1 for n, mark in enumerate(marks) if mark), default=0)
            if kept:
                place = decode_page_cursor(marks[kept - 1], ObservationPlace)
                rest = await rows_of(JSON_LINES, place, None, rate)
                assert len(rest) == len(whole) - kept

    with (
        patch.object(bulk_observations, "COLUMN_ROWS_MAX", rows_max),
        patch.object(bulk_observations, "read_observation_columns", reader(stored)),
    ):
        asyncio.run(check())
