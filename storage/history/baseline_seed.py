"""What was usual before a log began, of the series that rules learn from."""

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
"""Of so many series it is read at most, a million hours: half a minute. Others learn from the log alone."""

BASELINE_SERIES_PER_READ = 20
"""Of so many series the hours are held at a time, about 5 MB."""


async def read_baselines(
    connection: Connection, model: CityModel, observations: Sequence[Observation]
) -> dict[OperandSeries, Baseline]:
    """Return what was usual, by the hours stored of the weeks before the newest of some observations.

    The connection must not be in a transaction.
    """
    learned = baseline_series(model)
    # A device whose clock is ahead does not say how far time has come.
    newest = max((min(one.phenomenon_time, one.received_time) for one in observations), default=None)
    if not learned or newest is None:
        return {}
    if len(learned) > BASELINE_SERIES_MAX:
        log.warning(
            "what was usual is read of %d of the %d series that rules learn from; of the others three weeks "
            "must pass",
            BASELINE_SERIES_MAX,
            len(learned),
        )
    end = newest - newest % HOUR + HOUR + 1  # the window that the newest lies in may be closed
    found: dict[OperandSeries, Baseline] = {}
    for first in range(0, min(BASELINE_SERIES_MAX, len(learned)), BASELINE_SERIES_PER_READ):
        part = learned[first : min(BASELINE_SERIES_MAX, first + BASELINE_SERIES_PER_READ)]
        async with connection.transaction():
            before = await read_chunk(
                connection, baseline_needs(part, model), model, end - BASELINE_PERIOD, end
            )
        found |= await asyncio.to_thread(baselines_from, part, before, model)
    return found
