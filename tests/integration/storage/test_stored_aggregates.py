"""History answers from stored aggregates what it answers from single observations."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio

from storage import history
from storage.bucket_interval import BucketInterval, QueryError
from storage.database import Connection, connect
from storage.history import Aggregate, Bucket
from storage.model_store import apply, load
from storage.queries import query
from storage.recomputation import remade
from tests.integration.storage.city_plan import plan
from tests.integration.storage.stored_rows import assess, store, store_aggregates
from twin.instant import DAY, HOUR, MINUTE, Instant, parse_instant, to_datetime
from twin.observation import Observation
from twin.observed_property import BUILT_IN, ObservedProperty
from twin.quality_rules import QualityRules, Spike, Stuck
from twin.sketch import RELATIVE_ACCURACY
from twin.terms import Terms
from twin.window import aggregate_of

AMSTERDAM = "Europe/Amsterdam"
BEGIN = parse_instant("2026-10-10T03:17:00Z")
DAYS = 20  # over the night in which clocks go back

LEVEL = replace(
    BUILT_IN["water_level"],
    quality=QualityRules(
        minimum=1.0,
        spike=Spike(deviation_min=50),
        stuck=Stuck(count=5, duration_min=MINUTE),
        late_after=MINUTE,
    ),
)
REGISTER = replace(LEVEL, aggregation="counter", combination="sum", wraps_at=1_000.0, quality=QualityRules())
STEP = 2 * MINUTE

WANTED: tuple[Aggregate, ...] = history.AGGREGATES


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def known_datastreams(connection: Connection) -> list[int]:
    await apply(connection, plan())
    model = await load(connection, "alkmaar")
    ids = sorted(one.id for one in model.datastreams.values() if one.sensor == "s1")
    async with connection.transaction():
        await connection.execute(
            "UPDATE datastream SET created_at = '2026-01-01Z', interval = '2 minutes' WHERE id = ANY(%s)",
            (ids,),
        )
    return ids


def measured(dice: random.Random, datastream: int, *, register: bool) -> list[Observation]:
    """Values with repetitions, outliers, gaps, jitter; or a register that starts again now and then."""
    found = []
    value = 100.0
    time = BEGIN
    while time < BEGIN + DAYS * DAY:
        if register:
            value = dice.choice((value + dice.randrange(20),) * 30 + (0.0,)) % 1_000
        else:
            value = dice.choice((value, dice.uniform(2, 200), dice.uniform(2, 200), -5.0))
        lag = dice.choice((1, 1, 10 * MINUTE))
        found.append(Observation(datastream, time, time + lag, value))
        time += dice.choice((STEP,) * 200 + (7 * MINUTE, 5 * HOUR, 26 * HOUR))
    return found


async def make_aggregates(
    connection: Connection, observations: Sequence[Observation], property: ObservedProperty
) -> None:
    terms = Terms.of(property, STEP)
    made = remade(observations, terms)
    id = observations[0].datastream
    await assess(connection, [(id, time, flags, 1) for time, flags in made.judgements.items()])
    await store_aggregates(
        connection,
        [
            aggregate_of(
                content,
                datastream=id,
                size=size,
                start=start,
                revision=1,
                interval=STEP,
                kind=property.aggregation,
            )
            for size, start, content in made.windows
        ],
    )


async def keep(connection: Connection, ids: list[int], **times: Instant | None) -> None:
    """Say what is kept; delete single observations that are not."""
    async with connection.transaction():
        for id in ids:
            await connection.execute("DELETE FROM datastream_retention WHERE datastream_id = %s", (id,))
            for name, time in times.items():
                await connection.execute(
                    "INSERT INTO datastream_retention (datastream_id) VALUES (%s) ON CONFLICT DO NOTHING",
                    (id,),
                )
                assert name in {"complete_to", "raw_from", "minute_from"}
                await connection.execute(
                    f"UPDATE datastream_retention SET {name} = %s WHERE datastream_id = %s",
                    (to_datetime(time) if time is not None else None, id),
                )
        if times.get("raw_from") is not None:
            await connection.execute(
                "DELETE FROM observation WHERE phenomenon_time < %s", (to_datetime(times["raw_from"] or 0),)
            )


async def answers(
    connection: Connection,
    ids: list[int],
    interval: str,
    span: tuple[Instant, Instant],
    rules: ObservedProperty,
) -> list[Bucket]:
    return await history.buckets(
        connection,
        ids,
        *span,
        BucketInterval.parse(interval),
        WANTED,
        AMSTERDAM,
        combination=rules.combination,
        fill="null",
        rules=rules,
    )


def assert_equal(found: list[Bucket], wanted: list[Bucket]) -> None:
    assert [(one.start, one.end, one.count, one.suspect, one.flags) for one in found] == [
        (one.start, one.end, one.count, one.suspect, one.flags) for one in wanted
    ]
    for one, exact in zip(found, wanted, strict=True):
        assert one.coverage == pytest.approx(exact.coverage)
        for name in WANTED:
            if not name.startswith("p"):
                assert one.values[name] == pytest.approx(exact.values[name]), name


async def assert_percentiles(
    connection: Connection, found: list[Bucket], ids: list[int], span: tuple[Instant, Instant]
) -> None:
    """Each lies within the sketch's accuracy of the two values that it stands between."""
    for one in found:
        page: list[float] = []
        if one.count:
            raw = await history.observations(
                connection, ids, max(one.start, span[0]), min(one.end, span[1]), 10_000, rules=LEVEL.quality
            )
            page = sorted(each.value for each in raw if not each.flags & ~4)
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            value = one.values[name]  # type: ignore[index]
            if not page:
                assert value is None
                continue
            place = share * (len(page) - 1)
            low, high = page[math.floor(place)], page[math.ceil(place)]
            assert value is not None
            assert low * (1 - RELATIVE_ACCURACY) <= value <= high * (1 + RELATIVE_ACCURACY)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("interval", ["PT1H", "PT3H", "P1D", "P1W", "P1M"])
async def test_many_observations_are_answered_from_hours_alike(
    connection: Connection, seed: int, interval: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    ids = await known_datastreams(connection)
    for id in ids:
        observations = measured(dice, id, register=False)
        await store(connection, observations)
        await make_aggregates(connection, observations, LEVEL)
    span = BEGIN + 33 * MINUTE, BEGIN + DAYS * DAY - 11 * MINUTE
    exact = await answers(connection, ids, interval, span, LEVEL)  # nothing is complete: from raw
    await keep(connection, ids, complete_to=BEGIN + 18 * DAY)
    monkeypatch.setattr("storage.history_reading.query", counting := Counting())
    found = await answers(connection, ids, interval, span, LEVEL)
    assert counting.names.count("list_aggregate_buckets") == 1
    assert_equal(found, exact)
    if interval in {"P1D", "P1W"}:
        await assert_percentiles(connection, found, ids, span)


class Counting:
    """Passes statements on, and remembers their names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> bytes:
        self.names.append(name)
        return query(name)


@pytest.mark.parametrize("interval", ["PT1H", "PT10M", "P1D"])
async def test_what_single_observations_are_gone_of_is_answered_alike(
    connection: Connection, interval: str
) -> None:
    ids = await known_datastreams(connection)
    dice = random.Random(3)
    for id in ids:
        observations = measured(dice, id, register=False)
        await store(connection, observations)
        await make_aggregates(connection, observations, LEVEL)
    # From a whole aggregate on: within one nothing can be told apart any more.
    span = BEGIN - BEGIN % HOUR, BEGIN + DAYS * DAY
    exact = await answers(connection, ids, interval, span, LEVEL)
    raw_from = BEGIN - BEGIN % HOUR + 9 * DAY
    await keep(connection, ids, complete_to=BEGIN + 18 * DAY, raw_from=raw_from)
    assert_equal(await answers(connection, ids, interval, span, LEVEL), exact)


@pytest.mark.parametrize("interval", ["PT1H", "P1D"])
async def test_the_increase_of_registers_is_the_same_from_hours(
    connection: Connection, interval: str
) -> None:
    ids = await known_datastreams(connection)
    dice = random.Random(4)
    for id in ids:
        observations = measured(dice, id, register=True)
        await store(connection, observations)
        await make_aggregates(connection, observations, REGISTER)
    span = BEGIN + 33 * MINUTE, BEGIN + DAYS * DAY - 11 * MINUTE
    exact = await answers(connection, ids, interval, span, REGISTER)
    assert sum(one.values["sum"] or 0 for one in exact) > 10_000
    await keep(connection, ids, complete_to=BEGIN + 18 * DAY)
    assert_equal(await answers(connection, ids, interval, span, REGISTER), exact)


async def test_what_is_not_kept_finely_enough_is_refused_with_what_to_ask(connection: Connection) -> None:
    ids = await known_datastreams(connection)
    raw_from, minute_from = BEGIN + 9 * DAY, BEGIN + 5 * DAY
    await keep(connection, ids, raw_from=raw_from, minute_from=minute_from)
    with pytest.raises(QueryError, match="ask for an interval of whole hours"):
        await answers(connection, ids, "PT5M", (BEGIN, BEGIN + DAY), LEVEL)
    with pytest.raises(QueryError, match="ask for an interval of whole hours"):
        await answers(connection, ids, "PT7S", (BEGIN + 8 * DAY, BEGIN + 8 * DAY + HOUR), LEVEL)
    with pytest.raises(QueryError, match="as far back as single observations are kept"):
        await history.buckets(
            connection, ids, BEGIN, BEGIN + DAY, BucketInterval.parse("PT1H"), ["mean"], "UTC", known_at=BEGIN
        )
