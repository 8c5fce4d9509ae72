"""Series of areas that are computed again from storage equal those that the stream makes in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from runtime.kafka import topics
from storage.database import Connection, connect
from storage.maintenance import area_repair
from storage.maintenance.area_repair import AreaRepairs
from storage.maintenance.log_end import LogEnd, StoredUntil
from storage.model.model_store import apply_plan, load_model
from tests.support.cities.city_builder import CityBuilder
from tests.support.database.history_rows import store_assessments, store_observations, store_states
from tests.support.database.role_accounts import work_as
from tests.support.database.sent_repairs import SentRepairs
from tests.support.pipelines.derived_series import published_updates, series_of
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.errors import ServiceError
from twin.instant import DAY, HOUR, MINUTE, Instant, from_datetime, parse_instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.neighbours import OUTVOTED_ABOVE
from twin.state.slot_inputs import RESTORED
from twin.wire.messages import AGGREGATES, AreaInput

START = parse_instant("2026-03-01T00:00:00Z")
DAYS = 5
AREAS = ("town", "town.north", "town.north.a", "town.south")
NAMES = ("area_pm2_5", "area_air_temperature", "area_power_import")


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def stored_city(connection: Connection) -> CityModel:
    builder = (
        CityBuilder()
        .entity("town", "Municipality")
        .entity("town.north", "District")
        .entity("town.north.a", "Neighbourhood")
        .entity("town.south", "District")
    )
    for number, area in enumerate(("town", "town.north", "town.north.a", "town.north.a", "town.south")):
        entity = f"{area}.post{number}"
        builder.entity(entity, "Street", parent=area)
        builder.sensor(f"s{number}", entity, "pm2_5", "air_temperature", "power_import", interval=HOUR)
    builder.sensor("second", "town.south.post4", "pm2_5", interval=HOUR)
    await apply_plan(connection, builder.plan())
    await work_as(connection, "historian")
    return await load_model(connection, "town")


def measured(model: CityModel) -> list[Observation]:
    """Return values of all datastreams in order, with gaps of some hours, and outliers."""
    dice, found = Random(1), []
    for datastream in model.datastreams.values():
        silent_until = 0
        for time in range(START, START + DAYS * DAY, HOUR):
            if dice.random() < 0.05:
                silent_until = time + dice.randint(1, 6) * HOUR
            if time >= silent_until:
                value = dice.uniform(10, 14) + (20 if dice.random() < 0.05 else 0)
                found.append(
                    Observation(datastream.id, time + dice.randint(0, 59) * MINUTE, time + HOUR, value)
                )
    return sorted(found, key=lambda one: (one.received_time, one.phenomenon_time, one.datastream))


def in_order(model: CityModel, observations: list[Observation]) -> StagePipeline:
    """Return the stages after all have come in time."""
    pipeline = StagePipeline(model)
    for time in sorted({one.received_time for one in observations}):
        pipeline.observe(*(one for one in observations if one.received_time == time))
        pipeline.advance(time + 20 * MINUTE, 10 * MINUTE)
    return pipeline


def assessments(pipeline: StagePipeline) -> list[tuple[int, int, int, int]]:
    """Return the newest quality flags of each observation."""
    found: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for number in range(pipeline.partitions):
        for value in pipeline.records[topics.AGGREGATES, number]:
            found.update((one[:2], one[:4]) for one in AGGREGATES.decode(value).assessments)
    return list(found.values())


async def request_all(connection: Connection) -> None:
    for area in AREAS:
        for name in NAMES:
            for day in range(-1, DAYS + 1):
                await connection.execute(
                    "INSERT INTO series_repair_request (entity_id, name, day, log_id, partition, log_offset)"
                    " VALUES (%s, %s, %s, '', 0, -1)",
                    (area, name, to_datetime(START + day * DAY)),
                )


async def repaired(connection: Connection, model: CityModel, log: SentRepairs) -> int:
    """Process the requests that are ready with all of the log stored; return their number."""
    return await AreaRepairs(log, StoredUntil(log)).run(connection, model)


async def wait_for_the_stream(connection: Connection) -> None:
    """Date all requests so long ago that the stream has rolled up what was emitted before."""
    await date_requests(connection, "11 seconds")


async def date_requests(connection: Connection, ago: str) -> None:
    await connection.execute("UPDATE series_repair_request SET requested_at = now() - %s::interval", (ago,))


async def stored_series(connection: Connection) -> dict[tuple[str, str], dict[Instant, Any]]:
    rows = await (
        await connection.execute(
            "SELECT entity_id, name, phenomenon_time, value, flags, count, revision FROM entity_value"
            " WHERE value IS NOT NULL"
        )
    ).fetchall()
    found: dict[tuple[str, str], dict[Instant, Any]] = {}
    for entity, name, time, value, flags, count, _ in rows:
        found.setdefault((entity, name), {})[from_datetime(time)] = round(value, 9), flags, count
    return found


class BrokenLog(SentRepairs):
    """A log that takes nothing."""

    async def send_area_inputs(self, inputs: Sequence[AreaInput]) -> None:
        """Raise ServiceError."""
        raise ServiceError("the connection broke")


async def repaired_city(connection: Connection) -> CityModel:
    """Store a city with what it measured, and compute the series of all its areas."""
    model = await stored_city(connection)
    await store_observations(connection, measured(model))
    await store_states(connection, measured(model))
    await request_all(connection)
    await wait_for_the_stream(connection)
    await repaired(connection, model, SentRepairs())
    return model


async def test_series_of_areas_computed_again_equal_those_made_in_order(connection: Connection) -> None:
    model = await stored_city(connection)
    observations = measured(model)
    pipeline = in_order(model, observations)
    expected = {
        key: {time: (round(value, 9), flags, count) for time, (value, flags, count) in points.items()}
        for key, points in series_of(published_updates(pipeline)).items()
        if key[1] in NAMES
    }
    assert len(expected) == len(AREAS) * len(NAMES)
    await store_observations(connection, observations)
    await store_states(connection, observations)
    await store_assessments(connection, assessments(pipeline))
    # A value that nothing is behind any more, and one that is wrong.
    for time, value in ((START - HOUR, 5.0), (START + 2 * HOUR, 999.0)):
        await connection.execute(
            "INSERT INTO entity_value (entity_id, name, phenomenon_time, value, flags, count, revision)"
            " VALUES ('town', 'area_pm2_5', %s, %s, 0, 1, 7)",
            (to_datetime(time), value),
        )
    await request_all(connection)
    assert await repaired(connection, model, SentRepairs()) == 0, (
        "the stream may not have rolled up what is stored"
    )
    await wait_for_the_stream(connection)
    assert await repaired(connection, model, SentRepairs()) == len(AREAS) * len(NAMES) * (DAYS + 2)
    assert await stored_series(connection) == expected
    assert await repaired(connection, model, SentRepairs()) == 0
    await request_all(connection)
    await wait_for_the_stream(connection)
    before = await (await connection.execute("SELECT max(revision), count(*) FROM entity_value")).fetchall()
    await repaired(connection, model, SentRepairs())
    after = await (await connection.execute("SELECT max(revision), count(*) FROM entity_value")).fetchall()
    assert (before, after) == (before, before), "a second time nothing changes"


async def test_a_value_that_is_stored_while_an_area_is_repaired_stays(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await repaired_city(connection)
    expected = await stored_series(connection)
    await connection.execute("UPDATE entity_value SET value = 99 WHERE name = 'area_pm2_5'")
    read = area_repair._read_inputs

    async def stored_meanwhile(*arguments: Any) -> Any:
        inputs = await read(*arguments)
        await connection.execute(
            "UPDATE entity_value SET value = 77, revision = revision + 1"
            " WHERE name = 'area_pm2_5' AND entity_id = 'town' AND %s = 'pm2_5'",
            (arguments[2].name,),
        )
        return inputs

    monkeypatch.setattr(area_repair, "_read_inputs", stored_meanwhile)
    await request_all(connection)
    await wait_for_the_stream(connection)
    await repaired(connection, model, SentRepairs())
    found = await stored_series(connection)
    assert {value for value, _, _ in found["town", "area_pm2_5"].values()} == {77.0}
    del found["town", "area_pm2_5"], expected["town", "area_pm2_5"]
    assert found == expected


async def outvoted_city(connection: Connection) -> CityModel:
    """Store the values of three posts of a town that agree, and of one in its district that deviates."""
    builder = CityBuilder().entity("town", "Municipality").entity("town.south", "District")
    posts = {f"town.post{number}": 10.0 for number in range(3)} | {"town.south.post": 30.0}
    for entity in posts:
        builder.entity(entity, "Street", parent=entity.rpartition(".")[0])
        builder.sensor(entity, entity, "air_temperature", interval=HOUR)
    await apply_plan(connection, builder.plan())
    model = await load_model(connection, "town")
    measured = [Observation(one.id, START, START, posts[one.entity]) for one in model.datastreams.values()]
    await store_observations(connection, measured)
    await store_states(connection, measured)
    await connection.execute(
        "INSERT INTO entity_value (entity_id, name, phenomenon_time, value, flags, count, revision)"
        " VALUES ('town.south', 'area_air_temperature', %s, 30, 0, 1, 7)",
        (to_datetime(START),),
    )
    await connection.execute(
        "INSERT INTO series_repair_request (entity_id, name, day, log_id, partition, log_offset)"
        " VALUES ('town.south', 'area_air_temperature', %s, '', 0, -1)",
        (to_datetime(START),),
    )
    await wait_for_the_stream(connection)
    await connection.commit()
    return model


async def test_a_repair_tells_the_stream_what_an_area_above_has_outvoted(connection: Connection) -> None:
    model = await outvoted_city(connection)
    sent = SentRepairs()
    await repaired(connection, model, sent)
    assert ("town.south", "area_air_temperature") not in await stored_series(connection)
    of_south = [
        (one.area, one.slot, one.value, one.weight, one.by)
        for one in sent.area_inputs
        if one.source == "town.south.post"
    ]
    assert of_south == [("town", START, 1.0, OUTVOTED_ABOVE, "")]


async def test_a_repair_tells_the_stream_of_states_that_are_no_point_of_their_series(
    connection: Connection,
) -> None:
    model = await repaired_city(connection)
    series = await stored_series(connection)
    last = {area: max(series[area, "area_pm2_5"]) for area in AREAS}

    async def store_state(area: str, value: float, time: Instant) -> None:
        await connection.execute(
            "INSERT INTO property_state (entity_id, property, revision, value, phenomenon_time,"
            " received_time, flags, datastream_ids) VALUES (%s, 'area_pm2_5', 1, %s, %s, %s, 0, '{}')",
            (area, value, to_datetime(time), to_datetime(time)),
        )

    withdrawn = START + DAYS * DAY + HOUR
    await connection.execute(
        "INSERT INTO entity_value (entity_id, name, phenomenon_time, value, flags, count, revision)"
        " VALUES ('town.north', 'area_pm2_5', %s, NULL, 0, 0, 7)",
        (to_datetime(withdrawn),),
    )
    await store_state("town", float("nan"), last["town"])  # withdrawn, though there is a point
    await store_state("town.north", 12.0, withdrawn)  # of a point that is withdrawn
    await store_state("town.north.a", 12.0, last["town.north.a"])  # of a point that there is
    await store_state("town.south", 12.0, START - 1_000 * DAY)  # of one that is no longer kept
    await request_all(connection)
    await wait_for_the_stream(connection)
    with pytest.raises(ServiceError):
        await repaired(connection, model, BrokenLog())
    sent = SentRepairs()
    await repaired(connection, model, sent)
    assert {
        one.area: (one.slot, round(one.later[0].value, 9), *one.later[0][1:3])
        for one in sent.area_inputs
        if one.weight == RESTORED
    } == {area: (last[area], *series[area, "area_pm2_5"][last[area]]) for area in ("town", "town.north")}


async def test_a_repair_tells_the_stream_of_states_whose_point_is_another(connection: Connection) -> None:
    model = await repaired_city(connection)
    series = await stored_series(connection)
    last = {area: max(series[area, "area_pm2_5"]) for area in AREAS}
    # By area: what its state has more than its point, and how many members; none have failed since.
    stored = {
        "town": (1.0, None),
        "town.north": (0.0, 99),
        "town.north.a": (0.0, None),
        "town.south": (1.0, 0),
    }
    for area, (more, members) in stored.items():
        await connection.execute(
            "INSERT INTO property_state (entity_id, property, revision, value, phenomenon_time,"
            " received_time, flags, datastream_ids, members)"
            " SELECT entity_id, name, 1, value + %(more)s, phenomenon_time, phenomenon_time, flags, '{}',"
            " coalesce(%(members)s, members) FROM entity_value WHERE entity_id = %(area)s"
            " AND name = 'area_pm2_5' AND phenomenon_time = %(time)s",
            {"area": area, "more": more, "members": members, "time": to_datetime(last[area])},
        )
    await request_all(connection)
    await wait_for_the_stream(connection)
    sent = SentRepairs()
    await repaired(connection, model, sent)
    restored = {one.area: one.slot for one in sent.area_inputs if one.weight == RESTORED}
    assert restored == {area: last[area] for area in ("town", "town.north")}


async def test_a_repair_of_which_the_stream_cannot_be_told_is_made_again(connection: Connection) -> None:
    model = await outvoted_city(connection)
    with pytest.raises(ServiceError):
        await repaired(connection, model, BrokenLog())
    assert ("town.south", "area_air_temperature") in await stored_series(connection)
    sent = SentRepairs()
    assert await repaired(connection, model, sent) == 1
    assert sent.area_inputs


async def test_a_slower_sensor_puts_the_stored_series_of_areas_on_its_grid(connection: Connection) -> None:
    def town() -> CityBuilder:
        return (
            CityBuilder()
            .entity("town", "Municipality")
            .entity("town.north", "District")
            .entity("town.north.street", "Street")
            .sensor("first", "town.north.street", "pm2_5", "air_temperature", interval=10 * MINUTE)
        )

    await apply_plan(connection, town().plan())
    model = await load_model(connection, "town")
    times = range(START, START + 2 * DAY, 10 * MINUTE)
    observations = [
        Observation(id, time, time, float((time - START) // (10 * MINUTE) % 7))
        for id in model.datastreams
        for time in times
    ]
    await store_observations(connection, observations)
    await store_states(connection, observations)
    names = {"area_pm2_5", "area_air_temperature"}
    await connection.execute(
        "INSERT INTO series_repair_request (entity_id, name, day, log_id, partition, log_offset)"
        " SELECT 'town.north', name, day, '', 0, -1"
        " FROM unnest(%s::text[]) AS name, unnest(%s::timestamptz[]) AS day",
        (list(names), [to_datetime(START + day * DAY) for day in range(2)]),
    )
    await wait_for_the_stream(connection)
    await connection.commit()
    await repaired(connection, model, SentRepairs())
    before = await stored_series(connection)
    assert set(before) == {(area, name) for area in ("town", "town.north") for name in names}
    assert all(list(points) == list(times) for points in before.values())

    await connection.commit()
    slower = town().entity("town.road", "Street").sensor("second", "town.road", "pm2_5", interval=HOUR)
    await apply_plan(connection, slower.plan())
    changed = await load_model(connection, "town")
    await wait_for_the_stream(connection)
    assert await repaired(connection, model, SentRepairs()) == 0, (
        "requests wait for the model that they belong to"
    )
    assert await repaired(connection, changed, SentRepairs()) == 4
    after = await stored_series(connection)
    for area in ("town", "town.north"):
        assert after[area, "area_air_temperature"] == before[area, "area_air_temperature"]
        assert list(after[area, "area_pm2_5"]) == list(range(START, START + 2 * DAY, HOUR))
    # The value of an hour is the last one in it.
    assert [value for value, *_ in after["town", "area_pm2_5"].values()][:3] == [5.0, 4.0, 3.0]


class LogAhead(SentRepairs):
    """A log whose end a test decides."""

    def __init__(self, log_id: str, end: int) -> None:
        super().__init__()
        self.ends = LogEnd(log_id, {"updates/1": end})
        self.reads = 0

    async def end(self) -> LogEnd:
        """Return the end that the test has set."""
        self.reads += 1
        return self.ends


async def test_an_area_is_repaired_when_all_that_was_on_the_log_is_stored(connection: Connection) -> None:
    """Values of its entities are on other partitions, which may be stored minutes after the request."""
    model = await stored_city(connection)
    await store_observations(connection, measured(model))
    await store_states(connection, measured(model))
    await request_all(connection)
    await date_requests(connection, "1 hour")
    log = LogAhead("present", 7)
    repairs = AreaRepairs(log, StoredUntil(log))
    for stored in (0, 6):
        await store_position(connection, "present", stored)
        assert await repairs.run(connection, model) == 0
    assert log.reads == 1, "the end of the first time is awaited, not one that moves on"
    log.ends = LogEnd("present", {"updates/1": 99})
    await store_position(connection, "present", 7)
    assert await repairs.run(connection, model) == len(AREAS) * len(NAMES) * (DAYS + 2)


async def test_an_end_of_a_log_that_was_replaced_is_not_awaited(connection: Connection) -> None:
    model = await stored_city(connection)
    await request_all(connection)
    await date_requests(connection, "1 hour")
    await store_position(connection, "lost", 1)
    log = LogAhead("lost", 7)
    repairs = AreaRepairs(log, StoredUntil(log))
    assert await repairs.run(connection, model) == 0
    await store_position(connection, "next", 2)
    log.ends = LogEnd("next", {"updates/1": 2})
    assert await repairs.run(connection, model) == 0, "the end of the lost log is given up"
    assert await repairs.run(connection, model) == len(AREAS) * len(NAMES) * (DAYS + 2)


async def test_without_requests_the_log_is_not_asked_for_its_end(connection: Connection) -> None:
    model = await stored_city(connection)
    await connection.execute("DELETE FROM series_repair_request")
    log = LogAhead("present", 0)
    assert await repaired(connection, model, log) == 0
    assert log.reads == 0


async def test_the_log_is_not_asked_while_a_request_waits_for_its_ten_seconds(
    connection: Connection,
) -> None:
    model = await stored_city(connection)
    await request_all(connection)
    log = LogAhead("present", 0)
    repairs = AreaRepairs(log, StoredUntil(log))
    assert await repairs.run(connection, model) == 0
    assert log.reads == 0
    await date_requests(connection, "11 seconds")
    assert await repairs.run(connection, model) == len(AREAS) * len(NAMES) * (DAYS + 2)
    assert log.reads == 1


async def begun_repairs(connection: Connection, model: CityModel, log: LogAhead) -> AreaRepairs:
    """Return repairs of all areas that have begun; the log is stored up to the last record of partition 1."""
    await request_all(connection)
    await date_requests(connection, "1 hour")
    repairs = AreaRepairs(log, StoredUntil(log))
    await store_position(connection, log.ends.log_id, log.ends.positions["updates/1"] - 1)
    assert await repairs.run(connection, model) == 0
    return repairs


async def test_values_that_were_stored_since_a_round_began_stay(connection: Connection) -> None:
    """What they follow from may be on another partition, and not be stored yet."""
    model = await repaired_city(connection)
    expected = await stored_series(connection)
    key = "town.north", "area_pm2_5"
    wrong, newer, *_ = expected[key]
    await set_value(connection, key, wrong, value=99, revision=0)
    log = LogAhead("present", 7)
    repairs = await begun_repairs(connection, model, log)
    await set_value(connection, key, newer, value=77, revision=1)
    await set_value(connection, key, newer + 1, value=78, revision=2)
    await store_position(connection, "present", 7)
    assert await repairs.run(connection, model) == len(AREAS) * len(NAMES) * (DAYS + 2)
    found = await stored_series(connection)
    assert found[key][newer][0] == 77
    assert found[key][newer + 1][0] == 78
    assert found[key][wrong] == expected[key][wrong]
    # They are as any others for the next round.
    await request_all(connection)
    await date_requests(connection, "1 hour")
    assert await repairs.run(connection, model) == len(AREAS) * len(NAMES) * (DAYS + 2)
    assert await stored_series(connection) == expected


async def test_a_round_begins_anew_with_another_model(connection: Connection) -> None:
    model = await repaired_city(connection)
    log = LogAhead("present", 7)
    repairs = await begun_repairs(connection, model, log)
    await store_position(connection, "present", 7)
    newer = replace(model, version=model.version + 1)
    # What was on the log at the first begin is stored; what came until the second one is awaited next.
    log.ends = LogEnd("present", {"updates/1": 8})
    assert await repairs.run(connection, newer) == 0
    await store_position(connection, "present", 8)
    assert await repairs.run(connection, newer) == len(AREAS) * len(NAMES) * (DAYS + 2)


async def set_value(
    connection: Connection, key: tuple[str, str], time: Instant, *, value: float, revision: int
) -> None:
    """Store a value of an area, as the historian does."""
    await connection.execute(
        "INSERT INTO entity_value (entity_id, name, phenomenon_time, value, flags, count, revision)"
        " VALUES (%s, %s, %s, %s, 0, 1, %s)"
        " ON CONFLICT (entity_id, name, phenomenon_time) DO UPDATE SET value = excluded.value,"
        " revision = excluded.revision",
        (*key, to_datetime(time), value, revision),
    )


async def store_position(connection: Connection, log_id: str, offset: int) -> None:
    await connection.execute(
        "INSERT INTO log_position (log_id, topic, partition, next_offset, updated_at)"
        " VALUES (%s, 'updates', 1, %s, clock_timestamp())"
        " ON CONFLICT (log_id, topic, partition)"
        " DO UPDATE SET next_offset = excluded.next_offset, updated_at = excluded.updated_at",
        (log_id, offset),
    )
    await connection.commit()
