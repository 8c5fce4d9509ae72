"""What was usual before a log began, of the series that rules learn from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from storage.database import Connection
from storage.history.chunk_reader import read_stretch
from twin.alarms.evaluation.baseline import Usual
from twin.alarms.rules.operand import Series
from twin.backtest.baseline_history import LOOKED_BACK, hourly_needs, learned_series, usual_of
from twin.instant import HOUR
from twin.model.city_model import CityModel
from twin.model.observation import Observation

log = logging.getLogger(__name__)

SERIES_MAX = 1_000
"""Of so many series it is read at most, a million hours: half a minute. Others learn from the log alone."""

SERIES_AT_ONCE = 20
"""Of so many series the hours are held at a time, about 5 MB."""


async def read_usual(
    connection: Connection, model: CityModel, observations: Sequence[Observation]
) -> dict[Series, Usual]:
    """Return what was usual, by the hours stored of the weeks before the newest of some observations.

    The connection must not be in a transaction.
    """
    learned = learned_series(model)
    # A device whose clock is ahead does not say how far time has come.
    newest = max((min(one.phenomenon_time, one.received_time) for one in observations), default=None)
    if not learned or newest is None:
        return {}
    if len(learned) > SERIES_MAX:
        log.warning(
            "what was usual is read of %d of the %d series that rules learn from; of the others three weeks "
            "must pass",
            SERIES_MAX,
            len(learned),
        )
    end = newest - newest % HOUR + HOUR + 1  # the window that the newest lies in may be closed
    found: dict[Series, Usual] = {}
    for first in range(0, min(SERIES_MAX, len(learned)), SERIES_AT_ONCE):
        part = learned[first : min(SERIES_MAX, first + SERIES_AT_ONCE)]
        async with connection.transaction():
            before = await read_stretch(connection, hourly_needs(part, model), model, end - LOOKED_BACK, end)
        found |= await asyncio.to_thread(usual_of, part, before, model)
    return found
