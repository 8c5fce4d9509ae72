"""Reads the baselines of the time before a log began, for the rules that compare with one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence

from storage.database import Connection
from storage.history.chunk_reader import read_chunk
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.rules.operand import OperandSeries
from twin.backtest.baseline_history import BASELINE_PERIOD, baseline_needs, baseline_series, baselines_from
from twin.instant import HOUR, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation

log = logging.getLogger(__name__)

BASELINE_SERIES_MAX = 1_000
"""The most series to read: a million hours, half a minute. Others learn from the log alone."""

BASELINE_SERIES_PER_READ = 20
"""The number of series whose hours are held at a time, about 5 MB."""


async def read_baselines(
    connection: Connection, model: CityModel, observations: Sequence[Observation]
) -> dict[OperandSeries, Baseline]:
    """Return baselines from the stored hours of the weeks before the newest of these observations.

    No transaction may be open on the connection.
    """
    # The clock of a device may be ahead of the received time.
    newest = max(
        (min(observation.phenomenon_time, observation.received_time) for observation in observations),
        default=None,
    )
    if newest is None:
        return {}
    end = newest - newest % HOUR + 2 * HOUR  # the window of the newest observation may be closed
    return await read_baselines_until(connection, model, dict.fromkeys(baseline_series(model), end))


async def read_baselines_until(
    connection: Connection, model: CityModel, ends: Mapping[OperandSeries, Instant]
) -> dict[OperandSeries, Baseline]:
    """Return the baselines of series as they were at a time of each, from the stored hours before it.

    No transaction may be open on the connection.
    """
    series = sorted(ends, key=lambda one: (ends[one], one))
    if len(series) > BASELINE_SERIES_MAX:
        log.warning(
            "baselines are read for %d of the %d series that rules compare with; the others need three weeks",
            BASELINE_SERIES_MAX,
            len(series),
            extra={"event": "stream.baselines_incomplete", "series": len(series)},
        )
    baselines: dict[OperandSeries, Baseline] = {}
    for part in _parts(series[:BASELINE_SERIES_MAX], ends):
        start, end = ends[part[0]] - BASELINE_PERIOD, ends[part[-1]]
        async with connection.transaction():
            chunk = await read_chunk(connection, baseline_needs(part, model), model, start, end)
        baselines |= await asyncio.to_thread(baselines_from, part, chunk, model, ends)
    return baselines


def _parts(
    series: Sequence[OperandSeries], ends: Mapping[OperandSeries, Instant]
) -> Iterator[list[OperandSeries]]:
    """Yield series, ascending by their ends, in groups that are read at once: with ends near each other."""
    part: list[OperandSeries] = []
    for one in series:
        if part and (len(part) == BASELINE_SERIES_PER_READ or ends[one] - ends[part[0]] > BASELINE_PERIOD):
            yield part
            part = []
        part.append(one)
    if part:
        yield part
