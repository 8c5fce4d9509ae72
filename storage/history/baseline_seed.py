"""Reads the baselines of the time before a log began, for the rules that compare with one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from storage.database import Connection
from storage.history.chunk_reader import read_chunk
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.rules.operand import OperandSeries
from twin.backtest.baseline_history import BASELINE_PERIOD, baseline_needs, baseline_series, baselines_from
from twin.instant import HOUR
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
    series = baseline_series(model)
    # The clock of a device may be ahead of the received time.
    newest = max(
        (min(observation.phenomenon_time, observation.received_time) for observation in observations),
        default=None,
    )
    if not series or newest is None:
        return {}
    if len(series) > BASELINE_SERIES_MAX:
        log.warning(
            "baselines are read for %d of the %d series that rules compare with; the others need three weeks",
            BASELINE_SERIES_MAX,
            len(series),
            extra={"event": "stream.baselines_incomplete", "series": len(series)},
        )
    end = newest - newest % HOUR + HOUR + 1  # the window of the newest observation may be closed
    baselines: dict[OperandSeries, Baseline] = {}
    for first in range(0, min(BASELINE_SERIES_MAX, len(series)), BASELINE_SERIES_PER_READ):
        part = series[first : min(BASELINE_SERIES_MAX, first + BASELINE_SERIES_PER_READ)]
        async with connection.transaction():
            chunk = await read_chunk(
                connection, baseline_needs(part, model), model, end - BASELINE_PERIOD, end
            )
        baselines |= await asyncio.to_thread(baselines_from, part, chunk, model)
    return baselines
