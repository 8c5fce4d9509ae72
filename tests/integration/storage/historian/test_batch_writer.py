"""The tables follow the conflict rule, in any order and any batches of observations."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from runtime.kafka import topics
from storage.database import connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import OBSERVATION_OUTCOMES, HistorianMetrics
from storage.historian.writers.aggregate_writer import write_assessments
from storage.stores.current_state import read_current_state
from storage.stores.ledger import read_balance
from tests.support.database.historian import START, fetch_rows, stored_observations
from tests.support.payloads.observation_records import encode_observations
from twin.instant import DAY, HOUR, INSTANT_MAX, INSTANT_MIN, MINUTE, from_datetime, to_datetime
from twin.model.observation import Observation
from twin.state.window import Aggregate
from twin.wire import messages
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AggregateBatch,
    Assessment,
    SeriesRepair,
    Update,
    UpdateBatch,
    UpdateKind,
    WindowRepair,
)

FRESH = count(1)

OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        st.just(0),
        st.integers(START, START + 2),
        st.integers(START + 5, START + 8),
        st.sampled_from([-0.5, 0.0, 1.0]),
        st.integers(0, 1),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)


def observed(observations: list[Observation], partition: int = 0) -> LogBatch:
    batch = LogBatch("log")
    batch.add(LogRecord(topics.OBSERVATIONS, partition, 0, 0, encode_observations(observations, START)))
    return batch


def update_batch(*updates: Update) -> LogBatch:
    batch = LogBatch("log")
    record = UpdateBatch(LAYOUT_VERSION, updates)
    batch.add(LogRecord(topics.UPDATES, 0, 0, 0, messages.UPDATES.encode(record)))
    return batch


def winners(observations: list[Observation]) -> list[Observation]:
    """Return what the conflict rule keeps: of each key what became known last, by reception, then by rank."""
    kept: dict[tuple[int, ...], Observation] = {}
    for observation in observations:
        kept[observation[:2]] = max(
            kept.get(observation[:2], observation),
            observation,
            key=lambda one: (one.received_time, one.rank, one.value, one.flags),
        )
    return sorted(kept.values())


def known_at(observations: list[Observation], time: int) -> dict[int, tuple[float, int]]:
    """Return what the conflict rule keeps of the observations received up to a time."""
    received = winners([one for one in observations if one.received_time <= time])
    return {one.phenomenon_time: (one.value, one.flags) for one in received}


VERSIONS = """
SELECT datastream_id, (extract(epoch FROM phenomenon_time) * 1000000)::bigint,
    (extract(epoch FROM received_time) * 1000000)::bigint, value, flags,
    CASE WHEN isfinite(superseded_time) THEN (extract(epoch FROM superseded_time) * 1000000)::bigint END
FROM (
    SELECT phenomenon_time, received_time, value, datastream_id, flags,
        'infinity'::timestamptz AS superseded_time
    FROM observation
    UNION ALL
    SELECT phenomenon_time, received_time, value, datastream_id, flags, superseded_time
    FROM superseded_observation
) AS version
WHERE superseded_time > received_time
"""


def stored_at(versions: list[tuple[Any, ...]], time: int) -> dict[int, tuple[float, int]]:
    """Return what a query of an earlier time finds: of the versions in force then, the last received."""
    held = [one for one in versions if one[2] <= time and (one[5] is None or time < one[5])]
    return {one[1]: one[3:5] for one in sorted(held, key=lambda one: one[2])}


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(OBSERVATIONS, min_size=1, max_size=4), data=st.data())
async def test_tables_do_not_depend_on_order_nor_the_ledger_on_batches(
    database: str, batches: list[list[Observation]], data: st.DataObject
) -> None:
    """Three datastreams get the same observations: in batches, all at once, and in another order.

    Two writers alternate; neither knows what the other has stored.
    """
    everything = [one for batch in batches for one in batch]
    shuffled = data.draw(st.permutations(everything))
    counted = []
    for batches_written in (batches, [everything], [shuffled]):
        datastream = next(FRESH)
        metrics = HistorianMetrics()
        writers = BatchWriter(database, metrics), BatchWriter(database, metrics)
        for writer in writers:
            await writer.read_positions("log")
        try:
            for number, observations in enumerate(batches_written):
                of_datastream = [one._replace(datastream=datastream) for one in observations]
                await writers[number % 2].store(observed(of_datastream, number % 2))
        finally:
            for writer in writers:
                await writer.close()
        counted.append([outcome_count(metrics, outcome) for outcome in OBSERVATION_OUTCOMES])
        stored = [one for one in await stored_observations(database) if one.datastream == datastream]
        assert stored == winners([one._replace(datastream=datastream) for one in everything])
        versions = [one for one in await fetch_rows(database, VERSIONS) if one[0] == datastream]
        for time in range(START + 4, START + 10):
            assert stored_at(versions, time) == known_at(everything, time)
    assert counted[0] == counted[1]
    assert all(sum(one) == len(everything) for one in counted)
    async with await connect(database, role="test") as connection:
        assert (await read_balance(connection)).balances


def outcome_count(metrics: HistorianMetrics, outcome: str) -> float:
    name = "livetwin_historian_observations_total"
    return metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0.0


async def test_outcomes_of_observations_are_counted(database: str) -> None:
    metrics = HistorianMetrics()
    writer = BatchWriter(database, metrics)
    first = Observation(1, START, START + 5, 1.0)
    later = first._replace(received_time=START + 6, value=2.0)

    def counted() -> list[float]:
        return [outcome_count(metrics, outcome) for outcome in OBSERVATION_OUTCOMES]

    try:
        await writer.store(observed([first, first, first._replace(phenomenon_time=START + 1)]))
        assert counted() == [2, 0, 0, 1]
        await writer.store(observed([later, first, Observation(2, START, START, 0.0)]))
        assert counted() == [3, 1, 1, 1]
        await writer.store(observed([later]))
        assert counted() == [3, 1, 1, 2]
    finally:
        await writer.close()


async def test_an_older_revision_changes_nothing(database: str) -> None:
    writer = BatchWriter(database, HistorianMetrics())
    # The flags of a state change without its times, and may be fewer than before.
    states = {flags: Observation(1, START, START, 4.0, flags) for flags in (0, 16, 32)}
    try:
        for revision, value, flags in ((5, 1.0, 16), (4, 2.0, 32), (5, 3.0, 32), (6, 0.5, 0)):
            await writer.store(
                update_batch(Update("e", "p", revision, value, START, START, 0, (1, 2), states[flags]))
            )
    finally:
        await writer.close()
    assert await fetch_rows(database, "SELECT revision, value, datastream_ids FROM property_state") == [
        (6, 0.5, [1, 2])
    ]
    assert await fetch_rows(database, "SELECT revision, flags FROM datastream_state") == [(6, 0)]


async def test_derived_values_become_a_series_and_a_household_is_only_a_state(database: str) -> None:
    writer = BatchWriter(database, HistorianMetrics())

    def indicator(revision: int, time: int, value: float) -> Update:
        return Update(
            "e", "eaqi", revision, value, time, time, 2, (), None, UpdateKind.INDICATOR, None, (), 12
        )

    personal = Observation(9, START, START, 230.0)
    try:
        await writer.store(update_batch(indicator(1, START, 1.0), indicator(2, START + 5, 2.0)))
        await writer.store(update_batch(indicator(4, START, 3.0), indicator(1, START + 5, 9.0)))
        await writer.store(
            update_batch(
                Update("home", "p", 1, float("nan"), START, START, 0, (9,), personal, UpdateKind.PERSONAL)
            )
        )
    finally:
        await writer.close()
    columns = "entity_id, name, value, flags, count, revision"
    assert await fetch_rows(database, f"SELECT {columns} FROM entity_value ORDER BY phenomenon_time") == [
        ("e", "eaqi", 3.0, 2, 12, 4),
        ("e", "eaqi", 2.0, 2, 12, 2),
    ]
    assert await fetch_rows(database, "SELECT entity_id, kind FROM property_state") == [("e", 1)]
    assert await fetch_rows(database, "SELECT datastream_id, value FROM datastream_state") == [(9, 230.0)]


async def test_an_amendment_replaces_and_withdraws_values_of_a_series_only(database: str) -> None:
    writer = BatchWriter(database, HistorianMetrics())

    def value(revision: int, time: int, value: float, kind: UpdateKind) -> Update:
        return Update("e", "eaqi", revision, value, time, time, 0, (), None, kind, None, (), 12)

    newest = value(3, START + 9, 4.0, UpdateKind.INDICATOR)
    amended = value(4, START + 5, 2.0, UpdateKind.AMENDMENT)
    withdrawn = value(5, START, float("nan"), UpdateKind.AMENDMENT)
    late = value(2, START, 1.0, UpdateKind.INDICATOR)
    repair = SeriesRepair("e", "", START - 2 * DAY, START)
    try:
        await writer.store(update_batch(newest, amended, withdrawn))
        await writer.store(update_batch(late))
        record = UpdateBatch(LAYOUT_VERSION, (), (repair,), 8)
        batch = LogBatch("log")
        batch.add(LogRecord(topics.UPDATES, 0, 1, 0, messages.UPDATES.encode(record)))
        await writer.store(batch)
    finally:
        await writer.close()
    stored = "SELECT value, revision FROM entity_value ORDER BY phenomenon_time"
    assert await fetch_rows(database, stored) == [(None, 5), (2.0, 4), (4.0, 3)]
    assert await fetch_rows(database, "SELECT revision, value FROM property_state") == [(3, 4.0)]
    async with await connect(database, role="test") as connection:
        state = await read_current_state(connection, "log")
    assert state.amended == {("e", "eaqi"): 5}
    requests = "SELECT entity_id, name, log_id, log_offset, requests FROM series_repair_request"
    assert await fetch_rows(database, requests) == [("e", "", "log", 8, 1)] * (2 + (START % DAY > 0))


async def test_a_request_of_an_area_leaves_the_observation_that_another_one_waits_for(database: str) -> None:
    repair = SeriesRepair("town", "area_pm2_5", START, START + 1)
    writer = BatchWriter(database, HistorianMetrics())
    found = []
    try:
        for log, partition, offset in (("log", 3, 8), ("log", 1, -1), ("log", 2, 9), ("next", 0, -1)):
            batch, record = LogBatch(log), UpdateBatch(LAYOUT_VERSION, (), (repair,), offset)
            batch.add(LogRecord(topics.UPDATES, partition, 1, 0, messages.UPDATES.encode(record)))
            await writer.store(batch)
            request = "SELECT log_id, partition, log_offset, requests FROM series_repair_request"
            found += await fetch_rows(database, request)
    finally:
        await writer.close()
    assert found == [("log", 3, 8, 1), ("log", 3, 8, 2), ("log", 2, 9, 3), ("next", 0, -1, 4)]


async def test_assessments_of_any_time_are_stored_unchanged(database: str) -> None:
    times = (INSTANT_MIN, -1, START, START + 1, INSTANT_MAX)
    found = [
        Assessment(2**31 - 1 - number, time, 2**15 - 1 - number, 2**63 - 1 - number)
        for number, time in enumerate(times)
    ]
    async with await connect(database, role="test") as connection:
        await write_assessments(connection, found)
    columns = "datastream_id, phenomenon_time, flags, revision"
    rows = await fetch_rows(database, f"SELECT {columns} FROM assessment ORDER BY phenomenon_time")
    assert [Assessment(id, from_datetime(time), *others) for id, time, *others in rows] == found


def window(size: int, revision: int, mean: float | None) -> Aggregate:
    return Aggregate(7, size, 0, revision, 3, 1, 6.0, 16, 1.0, 4.0, mean, None, 1.0, 4.0, b"\x01")


async def test_derived_rows_are_stored_where_their_revision_is_greater(database: str) -> None:
    writer = BatchWriter(database, HistorianMetrics())

    async def derive(
        revision: int, windows: tuple[Aggregate, ...], flags: int, repairs: tuple[WindowRepair, ...] = ()
    ) -> None:
        batch = LogBatch("log")
        found = (Assessment(7, START, flags, revision),)
        record = AggregateBatch(LAYOUT_VERSION, revision, revision * 10, windows, found, repairs)
        value = messages.AGGREGATES.encode(record)
        batch.add(LogRecord(topics.AGGREGATES, 2, revision, 0, value))
        await writer.store(batch)

    hour = START // HOUR * HOUR
    try:
        first = tuple(window(size, 5, 2.0) for size in (MINUTE, 10 * MINUTE, HOUR))
        await derive(5, first, 16, (WindowRepair(7, START),))
        await derive(4, (window(MINUTE, 4, 9.0),), 32, (WindowRepair(7, START), WindowRepair(8, START)))
        await derive(6, (window(HOUR, 6, None),), 0)
    finally:
        await writer.close()
    columns = "revision, count, suspect, expected, flags, minimum, maximum, mean, sum, first, last, sketch"
    kept = (5, 3, 1, 6.0, 16, 1.0, 4.0, 2.0, None, 1.0, 4.0, b"\x01")
    assert await fetch_rows(database, f"SELECT {columns} FROM aggregate_minute") == [kept]
    assert await fetch_rows(database, f"SELECT {columns} FROM aggregate_ten_minutes") == [kept]
    assert await fetch_rows(database, f"SELECT {columns} FROM aggregate_hour") == [
        (6, *kept[1:7], None, *kept[8:])
    ]
    assert await fetch_rows(database, "SELECT datastream_id, flags, revision FROM assessment") == [(7, 0, 6)]
    requests = "SELECT datastream_id, log_id, partition, log_offset, start FROM repair_request ORDER BY 1"
    assert await fetch_rows(database, requests) == [
        (7, "log", 2, 50, to_datetime(hour)),
        (8, "log", 2, 40, to_datetime(hour)),
    ]
