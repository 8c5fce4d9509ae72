"""The duty plan and its overrides are stored once, audited, and part of the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from storage.database import connect
from storage.model.duty_overrides import (
    OVERRIDE_RETENTION,
    StoredOverride,
    TooManyOverridesError,
    create_override,
    find_override,
    read_overrides,
    withdraw_override,
)
from storage.model.model_source import ModelSource
from tests.integration.storage.model.test_model_store import applied, fetch, loaded, next_model
from tests.support.cities.canal_city import canal_plan
from tests.support.cities.rosters import WEEKS, calendar_text, duty_override, plan_with_calendar
from twin.alarms.rules.schedule import WeeklyInterval
from twin.alarms.severity import Severity
from twin.model.duty import (
    NO_DUTY_PLAN,
    DutyOverride,
    DutyPlan,
    EscalationPolicy,
    EscalationStep,
    IncidentRoute,
    NotificationChannel,
    QuietHours,
)

DUTY = msgspec.structs.replace(
    plan_with_calendar(calendar_text(*WEEKS)),
    channels=(NotificationChannel(id="log", url="livetwin://log"),),
    policies=(EscalationPolicy(id="urgent", steps=(EscalationStep(notify="on-call", channels=("log",)),)),),
    quiet_hours=(QuietHours(up_to=Severity.MINOR, intervals=(WeeklyInterval((0, 6), 0, 420),)),),
    routes=(IncidentRoute(severities=(Severity.MAJOR,), team="operations", policy="urgent"),),
    watchdog=("log", ""),
)
HOLIDAY = duty_override("lead", "2099-01-01T00:00:00Z", "2099-01-03T00:00:00Z")


async def made(dsn: str, one: DutyOverride = HOLIDAY) -> StoredOverride:
    async with await connect(dsn, role="test") as connection:
        return await create_override(connection, "alkmaar", one, "shift desk")


async def duty_of_model(dsn: str) -> DutyPlan:
    return (await loaded(dsn)).duty


async def test_a_plan_is_loaded_as_it_was_applied(database: str) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    assert await duty_of_model(database) == DUTY


async def test_a_city_without_a_duty_plan_has_none(database: str) -> None:
    await applied(database, canal_plan())
    assert await duty_of_model(database) == NO_DUTY_PLAN


async def test_applying_the_same_plan_again_keeps_its_overrides(database: str) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    await made(database)
    outcome = await applied(database, replace(canal_plan(), duty=DUTY))
    assert (outcome.version, outcome.changed) == (2, False)
    assert len((await duty_of_model(database)).overrides) == 1


async def test_a_new_plan_or_no_plan_retires_the_previous_one(database: str) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    other = msgspec.structs.replace(DUTY, watchdog=None)
    outcome = await applied(database, replace(canal_plan(), duty=other))
    assert (outcome.version, outcome.updated) == (2, 1)
    assert await duty_of_model(database) == other
    assert (await applied(database, canal_plan())).retired == 1
    assert await duty_of_model(database) == NO_DUTY_PLAN
    assert await fetch(
        database, "SELECT plan -> 'watchdog', retired_at IS NULL FROM duty_plan ORDER BY id"
    ) == [(["log", ""], False), (None, False)]
    assert await fetch(
        database, "SELECT version, action FROM model_change WHERE kind = 'duty_plan' ORDER BY id"
    ) == [(1, "create"), (2, "update"), (3, "retire")]


async def test_an_override_is_in_the_model_with_a_higher_version_and_audited(database: str) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    one = await made(database)
    model = await loaded(database)
    assert (model.version, model.duty.overrides) == (2, (one.override,))
    assert msgspec.structs.replace(one.override, id="1") == HOLIDAY
    assert (one.made_by, one.withdrawn) == ("shift desk", None)
    assert await fetch(
        database,
        "SELECT version, key, action, difference -> 'contact', difference -> 'by' FROM model_change "
        "WHERE kind = 'duty_override'",
    ) == [(2, one.override.id, "create", [None, "lead"], [None, "shift desk"])]


async def test_a_withdrawn_override_is_not_in_force_and_stays_stored(database: str) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    one = await made(database)
    async with await connect(database, role="test") as connection:
        withdrawn = await withdraw_override(connection, "alkmaar", one.override.id, "lead's desk")
        assert withdrawn is not None
        assert withdrawn.withdrawn_by == "lead's desk"
        assert await find_override(connection, one.override.id) == withdrawn
        assert await withdraw_override(connection, "alkmaar", one.override.id, "again") is None
        assert await withdraw_override(connection, "alkmaar", "nothing", "me") is None
    model = await loaded(database)
    assert (model.version, model.duty.overrides) == (3, ())


async def test_overrides_keep_the_order_of_their_creation(database: str) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    ids = [(await made(database)).override.id for _ in range(5)]
    assert [one.id for one in (await duty_of_model(database)).overrides] == ids


async def test_overrides_that_ended_long_ago_are_not_in_the_model(database: str) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    await made(database, duty_override("lead", "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"))
    assert (await duty_of_model(database)).overrides == ()
    async with await connect(database, role="test") as connection:
        assert len(await read_overrides(connection, 40 * OVERRIDE_RETENTION)) == 1


async def test_overrides_are_bounded(database: str) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    await made(database)
    async with await connect(database, role="test") as connection:
        with pytest.raises(TooManyOverridesError, match="1 overrides have not ended, expected fewer"):
            await create_override(connection, "alkmaar", HOLIDAY, "shift desk", overrides_max=1)


async def test_a_role_loads_a_new_override_and_its_copy_has_the_plan(database: str, tmp_path: Path) -> None:
    await applied(database, replace(canal_plan(), duty=DUTY))
    source = ModelSource(database, "alkmaar", tmp_path)
    await source.load()
    one = await made(database)
    followed = await next_model(source)
    assert followed.duty == msgspec.structs.replace(DUTY, overrides=(one.override,))
    away = ModelSource("postgresql://127.0.0.1:1/none", "alkmaar", tmp_path)
    assert (await away.load()).duty == followed.duty
