"""Back-tests over what the database holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from storage.database import Connection, QueryError
from storage.history.chunk_reader import expected_rows, read_chunk, read_chunks
from twin.alarms.rules.rule import Rate, Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.backtest.backtest import Backtest, BacktestHistory, BacktestResult
from twin.backtest.baseline_history import BASELINE_PERIOD
from twin.instant import DAY, HOUR, Duration, Instant
from twin.model.city_model import CityModel

BACKTEST_SPAN_MAX: Duration = 366 * DAY

WARM_UP: Duration = HOUR
"""So long before, and its delays, a rule is looked at, so that it stands at the start where it stood live."""

WARM_UP_MAX: Duration = 7 * DAY


BASELINE_ROWS_MAX = 1_000_000
"""So many hours, and derived values, are read at most to know what was usual: a thousand series."""


async def backtest_rules(
    connection: Connection,
    rules: Sequence[Rule],
    model: CityModel,
    span: tuple[Instant, Instant],
    severity_min: Severity,
) -> list[BacktestResult]:
    """Return what each rule would have raised in start ≤ t < end, from one reading of history.

    `least` is the severity from which on an alarm counts for the nights. The evaluation runs in a thread of
    its own, stretch by stretch. Raises QueryError when that is too much to read, TooManyFiringsError when a
    rule fires all the time.
    """
    start, end = span
    if not 0 < end - start <= BACKTEST_SPAN_MAX:
        raise QueryError(
            f"a back-test is of at most {BACKTEST_SPAN_MAX // DAY} days, and its end is after its start"
        )
    tests = [Backtest(rule, model) for rule in rules]
    history = BacktestHistory(tests, model)
    begin = start - max(_warm_up(rule) for rule in rules)
    before = history.needs_before
    if expected_rows(before, model, BASELINE_PERIOD) > BASELINE_ROWS_MAX:
        raise QueryError("what was usual is learned for fewer entities at a time; ask for some of them")
    if before.windows or before.derived:
        history.set_baselines(await read_chunk(connection, before, model, begin - BASELINE_PERIOD, begin))
    async for stretch in read_chunks(connection, history.needs, model, begin, end):
        await asyncio.to_thread(history.on_chunk, stretch)
    return [await asyncio.to_thread(one.result, start, end, severity_min) for one in tests]


def _warm_up(rule: Rule) -> Duration:
    condition = rule.condition
    transform = condition.transform if isinstance(condition, ThresholdCondition) else None
    span = transform.span if isinstance(transform, Rate) else 0
    return min(WARM_UP_MAX, WARM_UP + rule.on_delay + rule.off_delay + span)
