"""Rules in the database: every version is kept, from the folder and from the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import psycopg
import pytest

from storage.database import Connection, connect
from storage.model.model_source import ModelSource
from storage.model.model_store import apply_plan, load_model
from storage.model.rule_store import RULES, read_versions_of
from storage.model.version_table import VersionConflictError
from tests.integration.storage.model.test_model_store import fetch, next_model
from tests.support.cities.alarm_city import high_water_rule
from tests.support.cities.canal_city import canal_plan
from twin.alarms.rules.rule import Rule
from twin.errors import ServiceError
from twin.instant import MINUTE

CITY = "alkmaar"


def rule(**changes: object) -> Rule:
    return high_water_rule(version=0, **changes)


async def active_rules(connection: Connection) -> Mapping[str, Rule]:
    return (await load_model(connection, CITY)).rules


async def apply_rules(connection: Connection, *rules: Rule) -> int:
    applied = await apply_plan(connection, replace(canal_plan(), rules=rules))
    return applied.version


async def history(connection: Connection, id: str = "high-water") -> list[tuple[int, str, bool, int]]:
    """Return version number, origin, deletion and on-delay of each version, oldest first."""
    found = await read_versions_of(connection, id, before=1_000_000, limit=100)
    return [(one.item.version, one.origin, one.deleted, one.item.on_delay) for one in reversed(found)]


async def test_rules_are_loaded_as_they_were_planned(database: str) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection, rule(), rule(id="other", latching=True))
        model = await load_model(connection, CITY)
    assert {id: one.content() for id, one in model.rules.items()} == {
        "high-water": rule(),
        "other": rule(id="other", latching=True),
    }
    assert {one.version for one in model.rules.values()} == {1}


async def test_a_version_rises_only_when_the_content_changes(database: str) -> None:
    async with await connect(database, role="test") as connection:
        assert await apply_rules(connection, rule()) == 1
        assert await apply_rules(connection, rule()) == 1
        assert await apply_rules(connection, rule(on_delay=MINUTE)) == 2
        assert await apply_rules(connection) == 3
        assert await apply_rules(connection, rule(on_delay=MINUTE)) == 4
        assert await history(connection) == [
            (1, "folder", False, 0),
            (2, "folder", False, MINUTE),
            (3, "folder", True, MINUTE),
            (4, "folder", False, MINUTE),
        ]


async def test_a_change_by_the_api_stays_while_the_folder_is_unchanged(database: str) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection, rule())
        await RULES.put(connection, CITY, rule(on_delay=MINUTE), "desk")
        version = await apply_rules(connection, rule())
        assert version == 2
        assert (await active_rules(connection))["high-water"].on_delay == MINUTE
        await RULES.delete(connection, CITY, "high-water", "desk")
        await apply_rules(connection, rule())
        assert await active_rules(connection) == {}


async def test_a_change_in_the_folder_replaces_a_change_by_the_api(database: str) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection, rule())
        await RULES.put(connection, CITY, rule(on_delay=MINUTE), "desk")
        await apply_rules(connection, rule(on_delay=2 * MINUTE))
        await RULES.put(connection, CITY, rule(on_delay=3 * MINUTE), "desk")
        await apply_rules(connection)
        assert await history(connection) == [
            (1, "folder", False, 0),
            (2, "api", False, MINUTE),
            (3, "folder", False, 2 * MINUTE),
            (4, "api", False, 3 * MINUTE),
            (5, "folder", True, 3 * MINUTE),
        ]
    by = await fetch(
        database, "SELECT action, difference->'by'->>1 FROM model_change WHERE kind = 'rule' ORDER BY id"
    )
    assert by == [
        ("create", None),
        ("update", "desk"),
        ("update", None),
        ("update", "desk"),
        ("retire", None),
    ]


async def test_a_folder_with_the_change_of_the_api_changes_nothing(database: str) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection, rule())
        await RULES.put(connection, CITY, rule(on_delay=MINUTE), "desk")
        assert await apply_rules(connection, rule(on_delay=MINUTE)) == 2
        # The folder now has this content: returning to the former one is a change.
        assert await apply_rules(connection, rule()) == 3
        assert (await active_rules(connection))["high-water"].on_delay == 0


async def test_a_rule_that_the_folder_never_had_stays(database: str) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection)
        await RULES.put(connection, CITY, rule(id="mine"), "desk")
        await apply_rules(connection, rule())
        await apply_rules(connection)
        assert set(await active_rules(connection)) == {"mine"}


async def test_a_plan_derived_from_the_model_does_not_change_rules(database: str) -> None:
    async with await connect(database, role="test") as connection:
        version = await apply_rules(connection, rule())
        await apply_plan(connection, canal_plan(entity_name="Other canal"), based_on=version)
        assert set(await active_rules(connection)) == {"high-water"}


async def test_a_change_of_an_outdated_version_is_refused(database: str) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection)
        await RULES.put(connection, CITY, rule(), "desk", expected=0)
        for expected in (0, 2):
            with pytest.raises(VersionConflictError, match="has version 1, expected"):
                await RULES.put(connection, CITY, rule(on_delay=MINUTE), "desk", expected=expected)
        with pytest.raises(VersionConflictError, match="has version 1, expected 7"):
            await RULES.delete(connection, CITY, "high-water", "desk", expected=7)
        await RULES.put(connection, CITY, rule(on_delay=MINUTE), "desk", expected=1)
        assert (await RULES.read(connection))["high-water"].item.version == 2
        assert await RULES.delete(connection, CITY, "nothing", "desk") is None


async def test_an_unchanged_rule_gets_no_new_version(database: str) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection, rule())
        change = await RULES.put(connection, CITY, rule(), "desk")
        assert (change.action, change.item.version) == (None, 1)
        assert (await load_model(connection, CITY)).version == 1


async def test_the_rules_are_in_the_copy_of_the_model(database: str, tmp_path: Path) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection, rule())
    model = await ModelSource(database, CITY, tmp_path).load()
    away = ModelSource("host=127.0.0.1 port=1 dbname=none", CITY, tmp_path)
    assert (await away.load()).rules == model.rules == {"high-water": high_water_rule(version=1)}


async def test_a_changed_rule_is_in_the_next_model(database: str, tmp_path: Path) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection, rule())
        source = ModelSource(database, CITY, tmp_path)
        await source.load()
        await RULES.put(connection, CITY, rule(on_delay=MINUTE), "desk")
        model = await next_model(source)
    assert model.rules["high-water"] == msgspec.structs.replace(rule(on_delay=MINUTE), version=2)


async def test_sensors_keep_their_shared_dependencies(database: str) -> None:
    wanted = canal_plan()
    carried = tuple(replace(one, gateway="street", power="canal") for one in wanted.sensors)
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, wanted)
        await apply_plan(connection, replace(wanted, sensors=carried))
        model = await load_model(connection, CITY)
        assert not (await apply_plan(connection, replace(wanted, sensors=carried))).changed
    assert tuple(model.sensors.values()) == carried


async def test_an_unreadable_rule_stops_the_role_and_is_named(database: str) -> None:
    async with await connect(database, role="test") as connection:
        await apply_rules(connection, rule())
    async with await psycopg.AsyncConnection.connect(database) as raw:
        await raw.execute("UPDATE rule SET content = '{}'")
    async with await connect(database, role="test") as connection:
        with pytest.raises(ServiceError, match="version 1 of rule 'high-water' cannot be read"):
            await load_model(connection, CITY)
