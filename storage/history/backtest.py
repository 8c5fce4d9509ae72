"""Back-tests of rules over the history in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from storage.database import Connection, QueryError
from storage.history.chunk_reader import expected_rows, read_chunk, read_chunks
from twin.alarms.rules.rule import Rule
from twin.alarms.severity import Severity
from twin.backtest.backtest import Backtest, BacktestHistory, BacktestResult
from twin.backtest.baseline_history import BASELINE_PERIOD
from twin.instant import DAY, Duration, Instant
from twin.model.city_model import CityModel

BACKTEST_SPAN_MAX: Duration = 366 * DAY

BASELINE_ROWS_MAX = 1_000_000
"""The most hours and derived values to read for baselines: those of a thousand series."""


async def backtest_rules(
    connection: Connection,
    rules: Sequence[Rule],
    model: CityModel,
    span: tuple[Instant, Instant],
    severity_min: Severity,
) -> list[BacktestResult]:
    """Return what each rule would have raised in start ≤ t < end, from one reading of history.

    `severity_min` is the least severity of an alarm that counts as a night call. The evaluation runs in a
    thread, chunk by chunk. Raises QueryError when there is too much to read, and TooManyFiringsError when a
    rule fires all the time.
    """
    start, end = span
    if not 0 < end - start <= BACKTEST_SPAN_MAX:
        raise QueryError(
            f"a back-test: expected an end after its start and at most {BACKTEST_SPAN_MAX // DAY} days"
        )
    tests = [Backtest(rule, model) for rule in rules]
    history = BacktestHistory(tests, model)
    begin = start - max(test.warm_up for test in tests)
    baseline_chunk_needs = history.needs_before
    if expected_rows(baseline_chunk_needs, model, BASELINE_PERIOD) > BASELINE_ROWS_MAX:
        raise QueryError("baselines of too many entities are needed; ask for a rule for fewer entities")
    if baseline_chunk_needs.windows or baseline_chunk_needs.derived:
        history.set_baselines(
            await read_chunk(connection, baseline_chunk_needs, model, begin - BASELINE_PERIOD, begin)
        )
    async for chunk in read_chunks(connection, history.needs, model, begin, end):
        await asyncio.to_thread(history.on_chunk, chunk)
    return [await asyncio.to_thread(test.result, start, end, severity_min) for test in tests]
