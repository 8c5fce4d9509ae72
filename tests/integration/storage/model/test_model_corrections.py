"""Calibrations, maintenance and rules in the model: their history, and what changes request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb

from cities import default_city
from cities.folder_reader import read_city
from cities.folder_writer import write_city
from storage.database import Connection, connect
from storage.history.observations import read_datastream_ids, read_observations
from storage.model.built_in_rules import built_in_rules
from storage.model.model_source import read_model_copy, write_model_copy
from storage.model.model_store import ModelApplyResult, apply_plan, load_model
from tests.support.cities.canal_city import canal_plan
from tests.support.cities.city_builder import CityBuilder, Observed
from tests.support.database.history_rows import store_observations
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE, SECOND, parse_instant, to_datetime
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import CityPlan
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Retention
from twin.quality.quality_rules import IsolatedRule, NullValueRule, QualityRules, SpikeRule, StuckRule
from twin.quality.valid_when import ValidWhen

MARCH = parse_instant("2026-03-01T08:00:00+01:00")
LEVEL = Calibration(
    sensor="s1",
    property="water_level",
    start=MARCH,
    end=MARCH + 30 * DAY,
    gain=1.01,
    offset=0.02,
    note="hung",
)
SINCE = Calibration(sensor="s1", property="water_level", start=MARCH + 30 * DAY, offset=1e-7)
CLEANED = Maintenance(sensor="s1", start=MARCH, end=MARCH + HOUR + SECOND // 4, note="cleaned")
OPEN = Maintenance(sensor="s2", start=MARCH)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    async with await connect(database, role="test") as connection:
        yield connection


async def rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    async with connection.transaction():
        return await (await connection.execute(statement)).fetchall()


async def requests(connection: Connection) -> list[tuple[Any, ...]]:
    """Return the open recompute requests, and mark them as finished."""
    found = await rows(
        connection,
        'SELECT sensor_id, property, start, "end" FROM recompute_request WHERE done_at IS NULL ORDER BY id',
    )
    async with connection.transaction():
        await connection.execute("UPDATE recompute_request SET done_at = now()")
    return found


async def test_calibrations_and_maintenance_are_loaded_as_they_were_planned(
    connection: Connection, tmp_path: Path
) -> None:
    wanted = canal_plan(calibrations=(SINCE, LEVEL), maintenance=(OPEN, CLEANED))
    await apply_plan(connection, wanted)
    model = await load_model(connection, "alkmaar")
    assert (model.calibrations, model.maintenance) == ((LEVEL, SINCE), (CLEANED, OPEN))
    stream = next(one for one in model.datastreams.values() if one.property == "water_level")
    assert model.calibrations_of(stream) == (LEVEL, SINCE)
    assert not (await apply_plan(connection, wanted)).changed
    write_model_copy(tmp_path / "copy.json", model)
    assert read_model_copy(tmp_path / "copy.json") == model


async def test_the_condition_of_a_datastream_is_loaded_as_it_was_planned(connection: Connection) -> None:
    plan = canal_plan()
    condition = ValidWhen(field="status", minimum=0, one_of=(0.0, 2.0), required=True)
    first, *others = plan.datastreams
    wanted = replace(plan, datastreams=(replace(first, valid_when=condition), *others))
    await apply_plan(connection, plan)
    assert (await apply_plan(connection, wanted)).updated == 1
    loaded = (await load_model(connection, "alkmaar")).datastreams.values()
    conditions = [one.valid_when for one in loaded if one.property == first.property]
    assert conditions == [condition]
    assert not (await apply_plan(connection, wanted)).changed
    assert (await apply_plan(connection, plan)).updated == 1


async def test_rules_and_retention_of_properties_are_loaded_as_they_were_planned(
    connection: Connection, tmp_path: Path
) -> None:
    depth = ObservedProperty(
        name="depth",
        unit="m",
        theme="water",
        minimum=0,
        maximum=1e3,
        quality=QualityRules(
            minimum=0.1,
            rate_max=3.0 / 3600,
            spike=SpikeRule(window=7, deviation_min=1e-7),
            isolated=IsolatedRule(deviation_min=2.0),
            null_values=NullValueRule(values=(0.0, -9.0), deviation_min=0.5, duration_min=HOUR),
            stuck=StuckRule(
                count=4, duration_min=HOUR, except_values=(0.0, 2.5), active_duration_min=HOUR // 2
            ),
            late_after=DAY,
            valid_when=ValidWhen(field="uptime", above=0, one_of=(1.0,)),
        ),
        retention=Retention(raw=DAY, minute=2 * DAY, hour=3 * DAY),
        roll_up="max",
        wraps_at=65536.0,
        coverage_min=0.25,
        age_max=400 * DAY,
    )
    level = replace(BUILT_IN_PROPERTIES["water_level"], quality=QualityRules(), wraps_at=None)
    wanted = replace(canal_plan(), properties=(depth, level))
    await apply_plan(connection, wanted)
    model = await load_model(connection, "alkmaar")
    assert model.properties == {**BUILT_IN_PROPERTIES, "depth": depth, "water_level": level}
    assert not (await apply_plan(connection, wanted)).changed
    write_model_copy(tmp_path / "copy.json", model)
    assert read_model_copy(tmp_path / "copy.json") == model
    outcome = await apply_plan(connection, replace(canal_plan(), properties=(depth,)))
    assert outcome == ModelApplyResult(version=2, created=0, updated=0, retired=1)
    assert (await load_model(connection, "alkmaar")).properties["water_level"] == BUILT_IN_PROPERTIES[
        "water_level"
    ]


async def test_the_model_of_alkmaar_is_loaded_as_it_was_applied(
    connection: Connection, tmp_path: Path
) -> None:
    wanted = read_city(default_city())
    await apply_plan(connection, wanted)
    write_city(await load_model(connection, wanted.city.id), tmp_path, wanted.files)
    assert not (await apply_plan(connection, read_city(tmp_path))).changed


async def test_a_changed_calibration_is_a_new_row_and_the_old_one_stays(
    connection: Connection,
) -> None:
    await apply_plan(connection, canal_plan(calibrations=(LEVEL,)))
    corrected = replace(LEVEL, gain=1.02)
    outcome = await apply_plan(connection, canal_plan(calibrations=(corrected,)))
    assert outcome == ModelApplyResult(version=2, created=0, updated=1, retired=0)
    assert (await load_model(connection, "alkmaar")).calibrations == (corrected,)
    assert await rows(
        connection, "SELECT kind, key, action, difference FROM model_change WHERE version = 2"
    ) == [("calibration", "s1/water_level/2026-03-01T07:00:00Z", "update", {"gain": [1.01, 1.02]})]
    await apply_plan(connection, canal_plan(calibrations=(LEVEL,)))
    await apply_plan(connection, canal_plan())
    known = await rows(
        connection, "SELECT gain, created_at, retired_at FROM calibration ORDER BY created_at, id"
    )
    assert [gain for gain, _, _ in known] == [1.01, 1.02, 1.01]
    assert [retired for _, _, retired in known[:2]] == [created for _, created, _ in known[1:]]
    assert known[2][2] is not None
    assert (await load_model(connection, "alkmaar")).calibrations == ()


async def test_a_correction_requests_the_recomputation_of_its_time_range(connection: Connection) -> None:
    start, end = to_datetime(LEVEL.start), to_datetime(LEVEL.end)
    await apply_plan(connection, canal_plan(calibrations=(LEVEL,), maintenance=(OPEN,)))
    assert await requests(connection) == [("s1", "water_level", start, end), ("s2", None, start, None)]
    longer = replace(LEVEL, end=LEVEL.end + DAY)
    await apply_plan(connection, canal_plan(calibrations=(longer,), maintenance=(OPEN,)))
    assert await requests(connection) == [("s1", "water_level", start, to_datetime(longer.end))]
    # The day in which it no longer applies must be recomputed, too.
    await apply_plan(
        connection, canal_plan(calibrations=(LEVEL,), maintenance=(replace(OPEN, end=MARCH + DAY),))
    )
    assert await requests(connection) == [
        ("s1", "water_level", start, to_datetime(longer.end)),
        ("s2", None, start, None),
    ]
    await apply_plan(connection, canal_plan(calibrations=(LEVEL,)))
    assert await requests(connection) == [("s2", None, start, to_datetime(MARCH + DAY))]
    await apply_plan(connection, canal_plan(calibrations=(LEVEL,), entity_name="renamed"))
    assert await requests(connection) == []


async def test_corrections_of_a_removed_sensor_stay_with_its_history(
    connection: Connection,
) -> None:
    await apply_plan(connection, canal_plan(maintenance=(OPEN, CLEANED)))
    await requests(connection)
    await apply_plan(connection, canal_plan(with_second=False, maintenance=(CLEANED,)))
    assert (await load_model(connection, "alkmaar")).maintenance == (CLEANED,)
    assert await rows(connection, "SELECT sensor_id, retired_at FROM maintenance ORDER BY sensor_id") == [
        ("s1", None),
        ("s2", None),
    ]
    # The sensor is back, and the folder no longer has its maintenance.
    await apply_plan(connection, canal_plan(maintenance=(CLEANED,)))
    assert [sensor for sensor, *_ in await requests(connection)] == ["s2"]


async def test_the_history_of_both_entities_of_a_moved_sensor_stays_correct(connection: Connection) -> None:
    noon = parse_instant("2026-11-23T12:00:00Z")
    places = []
    for number, place in enumerate(("canal", "street", "canal")):
        await apply_plan(connection, canal_plan(sensor_at=place, calibrations=(SINCE,)))
        (stream,) = (await load_model(connection, "alkmaar")).datastreams_of(place, "water_level")
        times = [noon + number * HOUR + minute * MINUTE for minute in (0, 10)]
        await store_observations(
            connection, [Observation(stream.id, time, time, float(number)) for time in times]
        )
        places.append(stream.id)
    assert places[0] == places[2] != places[1]
    found: dict[str, list[float]] = {}
    for place in ("canal", "street"):
        ids = await read_datastream_ids(connection, place, "water_level")
        page = await read_observations(connection, ids, noon, noon + DAY, 100)
        found[place] = [round(one.value, 3) for one in page]
    assert found == {"canal": [0.0, 0.0, 2.0, 2.0], "street": [1.0, 1.0]}
    (back,) = await rows(connection, f"SELECT active, retired_at FROM datastream WHERE id = {places[0]}")
    assert back == (True, None)


def with_new_device(feed: str, device: str, field: str = "power_import") -> CityPlan:
    wanted = canal_plan()
    power = Observed("power_import", field=field)
    extended = CityBuilder.of(wanted.model(1)).sensor("new", "street", power, feed=feed, device=device).plan()
    return replace(wanted, sensors=extended.sensors, datastreams=extended.datastreams)


async def quarantine(connection: Connection, id: str, device: str, reason: str = "unknown-sensor") -> None:
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO quarantine (id, feed, topic, received_time, reason, detail, payload, payload_bytes, "
            "payload_sha256, session, device) VALUES (%s, 'ttn', 't', now(), %s, '', '', 0, '', 's', %s)",
            (id, reason, device),
        )


async def asked_for(connection: Connection) -> list[str]:
    found = await rows(
        connection, "SELECT id FROM quarantine WHERE replay_requested_at IS NOT NULL ORDER BY id"
    )
    async with connection.transaction():
        await connection.execute("UPDATE quarantine SET replay_requested_at = NULL")
    return [id for (id,) in found]


@pytest.mark.parametrize("written", ["eui-0A", "EUI-0A", "eui-0a"])
async def test_messages_from_before_a_sensor_existed_are_replayed(
    connection: Connection, written: str
) -> None:
    await apply_plan(connection, canal_plan())
    for id, device in (("a", "eui-0a"), ("b", "EUI-0A"), ("c", "eui-0b")):
        await quarantine(connection, id, device)
    await quarantine(connection, "d", "eui-0a", "out-of-range")
    await apply_plan(connection, with_new_device("ttn", written))
    assert await asked_for(connection) == ["a", "b"]
    await apply_plan(connection, with_new_device("ttn", written))
    assert await asked_for(connection) == []
    await apply_plan(connection, with_new_device("ttn", "eui-0b"))
    assert await asked_for(connection) == ["c"]
    await apply_plan(connection, canal_plan())
    assert await asked_for(connection) == []
    await apply_plan(connection, with_new_device("ttn", "eui-0b"))
    assert await asked_for(connection) == ["c"]


async def test_messages_with_a_field_that_was_not_observed_are_replayed(
    connection: Connection,
) -> None:
    await apply_plan(connection, with_new_device("ttn", "eui-0a"))
    await quarantine(connection, "a", "eui-0a", "no-observation")
    await apply_plan(connection, with_new_device("ttn", "eui-0a", field="power"))
    assert await asked_for(connection) == ["a"]


async def test_changed_quality_rules_request_the_recomputation_of_all_that_is_stored(
    connection: Connection,
) -> None:
    beginning = to_datetime(INSTANT_MIN)
    await apply_plan(connection, canal_plan())
    assert await requests(connection) == []
    stricter = replace(BUILT_IN_PROPERTIES["water_level"], quality=QualityRules(maximum=1.0))
    depth = canal_plan().properties[0]
    own = replace(canal_plan(), properties=(depth, stricter))
    await apply_plan(connection, own)
    assert await requests(connection) == [("s1", "water_level", beginning, None)]
    looser = replace(stricter, quality=QualityRules(maximum=2.0))
    await apply_plan(connection, replace(own, properties=(depth, looser)))
    assert await requests(connection) == [("s1", "water_level", beginning, None)]
    await apply_plan(
        connection, replace(own, properties=(depth, replace(looser, retention=Retention(raw=DAY))))
    )
    assert await requests(connection) == []
    await apply_plan(connection, canal_plan())
    assert await requests(connection) == [("s1", "water_level", beginning, None)]


async def set_known_rules(connection: Connection, known: dict[str, str] | None) -> None:
    """Store other digests of built-in rules, as another version of the program has them."""
    async with connection.transaction():
        await connection.execute("UPDATE city SET built_in_rules = %s", (Jsonb(known) if known else None,))


async def test_other_built_in_rules_of_a_new_version_request_the_recomputation_of_their_properties(
    connection: Connection,
) -> None:
    beginning = to_datetime(INSTANT_MIN)
    await apply_plan(connection, canal_plan())
    assert await requests(connection) == []
    await set_known_rules(connection, built_in_rules() | {"water_level": "other"})
    assert not (await apply_plan(connection, canal_plan())).changed
    assert await requests(connection) == [("s1", "water_level", beginning, None)]
    assert not (await apply_plan(connection, canal_plan())).changed
    assert await requests(connection) == []
    assert await rows(connection, "SELECT built_in_rules FROM city") == [(built_in_rules(),)]


async def test_the_history_of_an_unknown_version_is_judged_again(connection: Connection) -> None:
    await apply_plan(connection, canal_plan())
    observed = {
        (one.sensor, one.property) for one in canal_plan().datastreams if one.property in BUILT_IN_PROPERTIES
    }
    await set_known_rules(connection, None)
    await apply_plan(connection, canal_plan())
    assert {(sensor, property) for sensor, property, *_ in await requests(connection)} == observed


async def test_built_in_rules_that_a_city_replaces_request_no_recomputation(connection: Connection) -> None:
    stricter = replace(BUILT_IN_PROPERTIES["water_level"], quality=QualityRules(maximum=1.0))
    own = replace(canal_plan(), properties=(*canal_plan().properties, stricter))
    changed = built_in_rules() | {"water_level": "other"}
    await apply_plan(connection, own)
    await requests(connection)
    await set_known_rules(connection, changed)
    await apply_plan(connection, own)
    assert await requests(connection) == []
    # Given back together with the new version, or taken with it: one request.
    for plan in (canal_plan(), own):
        await set_known_rules(connection, changed)
        await apply_plan(connection, plan)
        assert [property for _, property, *_ in await requests(connection)] == ["water_level"]


async def test_own_rules_like_the_new_built_in_ones_differ_from_those_before(connection: Connection) -> None:
    await apply_plan(connection, canal_plan())
    await set_known_rules(connection, built_in_rules() | {"water_level": "other"})
    same = replace(BUILT_IN_PROPERTIES["water_level"], retention=Retention(raw=DAY))
    await apply_plan(connection, replace(canal_plan(), properties=(*canal_plan().properties, same)))
    assert [property for _, property, *_ in await requests(connection)] == ["water_level"]


async def test_another_condition_on_other_fields_requests_nothing(connection: Connection) -> None:
    depth = canal_plan().properties[0]
    level = replace(BUILT_IN_PROPERTIES["water_level"], quality=QualityRules(maximum=4.0))
    await apply_plan(connection, replace(canal_plan(), properties=(depth, level)))
    await requests(connection)
    conditional = replace(level, quality=replace(level.quality, valid_when=ValidWhen(field="ok", minimum=1)))
    outcome = await apply_plan(connection, replace(canal_plan(), properties=(depth, conditional)))
    assert outcome.updated == 1
    assert await requests(connection) == []
