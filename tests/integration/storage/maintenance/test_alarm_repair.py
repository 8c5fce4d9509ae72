"""Alarms that are found in late data are in history, which equals the back-test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from runtime.kafka.topics import OBSERVATIONS
from storage.database import connect
from storage.maintenance.alarm_repair import repair_alarms, run_alarm_repairs
from storage.maintenance.changed_series import note_changed_series
from storage.stores.log_positions import AGGREGATE_PROGRESS
from tests.support.cities.alarm_city import alarm_city, high_water_rule
from tests.support.database.historian import until_true
from tests.support.pipelines.stored_run import StoredRun, store_datastreams
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import Level, NOfM, Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.errors import ServiceError
from twin.instant import HOUR, MINUTE, SECOND, Instant, to_datetime
from twin.model.observation import Observation

START: Instant = 1_767_571_200_000_000  # Monday 5 January 2026, 00:00 UTC
CANAL = 1
ALARM = "high-water~canal"
END = START + 24 * HOUR
LOW, MINOR, MAJOR = -0.5, -0.39, -0.29


def level(minutes: float, value: float, received: float | None = None) -> Observation:
    time = START + int(minutes * MINUTE)
    arrived = time if received is None else START + int(received * MINUTE)
    return Observation(CANAL, time, arrived + SECOND, value, 0)


def three_of_five() -> Rule:
    condition = ThresholdCondition(
        operand=Operand("water_level"),
        direction="above",
        levels=(Level(Severity.MINOR, -0.4, -0.42),),
        times=NOfM(3, 5),
    )
    return high_water_rule(id="often", condition=condition)


@pytest_asyncio.fixture
async def run(database: str) -> AsyncIterator[StoredRun]:
    rules = [high_water_rule(), high_water_rule(id="delayed", on_delay=3 * MINUTE), three_of_five()]
    run = StoredRun(alarm_city(rules), database)
    await store_datastreams(run.model, database)
    yield run
    await run.close()


async def assert_history_is_the_back_test(run: StoredRun) -> None:
    await run.repair()
    assert await run.episodes(START, END) == await run.backtest(START, END)


async def test_an_exceedance_a_hundred_points_late_is_in_history_and_wakes_nobody(run: StoredRun) -> None:
    values = [MAJOR if 60 <= minute < 70 else LOW for minute in range(240)]
    for minute in (*range(60), *range(70, 240)):
        run.pipeline.observe(level(minute, values[minute]))
    assert run.pipeline.alarms == []
    run.pipeline.observe(*(level(minute, values[minute], received=240) for minute in range(60, 70)))
    await assert_history_is_the_back_test(run)
    assert (ALARM, START + 60 * MINUTE, START + 70 * MINUTE, "major") in await run.episodes(START, END)
    assert all(event.late for event in run.pipeline.alarms)
    assert not any(incident.open for incident in run.pipeline.incidents)


async def test_a_late_exceedance_before_a_known_one_is_added_to_the_past(run: StoredRun) -> None:
    for minute in (*range(60), *range(70, 300)):
        run.pipeline.observe(level(minute, MAJOR if 200 <= minute < 210 else LOW))
    await run.repair()
    known = run.alarm_events(ALARM)
    run.pipeline.observe(*(level(minute, MINOR, received=300) for minute in range(60, 70)))
    await assert_history_is_the_back_test(run)
    assert (ALARM, START + 60 * MINUTE, START + 70 * MINUTE, "minor") in await run.episodes(START, END)
    assert run.alarm_events(ALARM) == known, "the present alarm does not change"


async def test_an_exceedance_that_lasts_until_now_is_raised_when_it_is_found(run: StoredRun) -> None:
    # Between clear and raised: only the late peak makes the level an alarm.
    for minute in (*range(60), *range(61, 240)):
        run.pipeline.observe(level(minute, -0.41))
    assert run.pipeline.alarms == []
    run.pipeline.observe(level(60, MINOR, received=240))
    await assert_history_is_the_back_test(run)
    (raised,) = run.alarm_events(ALARM)
    assert (raised.kind, raised.active, raised.raised_time) == ("raised", True, START + 60 * MINUTE)
    assert run.pipeline.incidents[-1].open, "people are notified of what still holds"
    run.pipeline.observe(level(240, LOW))
    await assert_history_is_the_back_test(run)


async def test_a_correction_beyond_the_horizon_retracts_an_alarm(run: StoredRun) -> None:
    for minute in range(240):
        run.pipeline.observe(level(minute, MAJOR if 60 <= minute < 70 else LOW))
    assert run.kinds(ALARM) == ["raised", "returned"]
    run.pipeline.observe(*(level(minute, LOW, received=240)._replace(value=LOW) for minute in range(60, 70)))
    await assert_history_is_the_back_test(run)
    assert await run.episodes(START, END) == []
    assert run.kinds(ALARM)[-1] == "retracted"


async def test_two_halves_in_the_wrong_order_have_the_alarms_of_the_right_one(run: StoredRun) -> None:
    values = [MAJOR if minute % 50 < 7 else MINOR if minute % 70 > 60 else LOW for minute in range(600)]
    for minute in (*range(300, 600), *range(300)):
        run.pipeline.observe(
            level(minute, values[minute], received=minute if minute >= 300 else 600 + minute)
        )
    await assert_history_is_the_back_test(run)
    assert len(await run.episodes(START, END)) > 20


@pytest.mark.parametrize("minute", [62, 66, 70, 130])
async def test_a_restart_within_delays_and_counts_changes_nothing(run: StoredRun, minute: int) -> None:
    values = [MAJOR if m in (60, 61, 63) or 65 <= m < 72 else LOW for m in range(200)]
    for number, value in enumerate(values):
        if number == minute:
            await run.restart()
        run.pipeline.observe(level(number, value))
    await assert_history_is_the_back_test(run)
    assert len(await run.episodes(START, END)) >= 4


async def test_ten_restarts_have_the_episodes_of_none(run: StoredRun) -> None:
    values = [MAJOR if m % 50 < 7 else MINOR if m % 70 > 60 else LOW for m in range(600)]
    for number, value in enumerate(values):
        if number % 57 == 13:
            await run.restart()
        run.pipeline.observe(level(number, value))
    await assert_history_is_the_back_test(run)
    assert len(await run.episodes(START, END)) > 20


async def test_an_interrupted_repair_is_done_again_and_adds_nothing_twice(
    run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in (*range(60), *range(70, 300)):
        run.pipeline.observe(level(minute, MAJOR if 200 <= minute < 210 else LOW))
    await run.repair()
    run.pipeline.observe(*(level(minute, MINOR, received=300) for minute in range(60, 70)))
    send = run.send

    async def send_and_crash(corrections: Sequence[AlarmCorrection]) -> None:
        await send(corrections)
        raise ServiceError("the connection broke")

    monkeypatch.setattr(run, "send", send_and_crash)
    with pytest.raises(ServiceError):
        await run.repair()
    monkeypatch.setattr(run, "send", send)
    await assert_history_is_the_back_test(run)
    known = await run.episodes(START, END)
    assert len(known) == len(set(known)) > 4


async def test_a_repair_of_derived_series_repairs_the_alarms_on_them(run: StoredRun, database: str) -> None:
    for minute in range(120):
        run.pipeline.observe(level(minute, LOW))
    await run.store()
    async with await connect(database, role="test") as connection, connection.transaction():
        await connection.execute(
            "UPDATE observation SET value = %s WHERE phenomenon_time >= %s AND phenomenon_time < %s",
            (MAJOR, to_datetime(START + 30 * MINUTE), to_datetime(START + 40 * MINUTE)),
        )
        await note_changed_series(connection, [("canal", "water_level")], START + 30 * MINUTE)
    await assert_history_is_the_back_test(run)
    assert (ALARM, START + 30 * MINUTE, START + 40 * MINUTE, "major") in await run.episodes(START, END)


async def test_a_repair_waits_until_the_inputs_of_stored_windows_are_stored(
    run: StoredRun, database: str
) -> None:
    for minute in range(120):
        run.pipeline.observe(level(minute, LOW))
    await run.store()
    move = "UPDATE log_position SET next_offset = next_offset + %s WHERE topic = %s"
    async with await connect(database, role="test") as connection:
        async with connection.transaction():
            await note_changed_series(connection, [("canal", "water_level")], START + 30 * MINUTE)
            await connection.execute(move, (10_000, AGGREGATE_PROGRESS))
        assert await repair_alarms(connection, run.model, run, END) == 1, "only the requests are made"
        assert await repair_alarms(connection, run.model, run, END) == 0
        async with connection.transaction():
            await connection.execute(move, (10_000, OBSERVATIONS))
        assert await repair_alarms(connection, run.model, run, END) == len(run.model.rules)


async def test_a_repair_leaves_alone_what_follows_from_values_that_are_not_judged_yet(
    run: StoredRun, database: str
) -> None:
    """The stored alarms are ahead of the stored verdicts; with these, the repair is done once more."""
    for minute in range(120):
        run.pipeline.observe(level(minute, MAJOR if minute % 30 < 10 else LOW))
    await run.store()
    known = await run.episodes(START, END)
    tell = "UPDATE datastream_state SET phenomenon_time = %s WHERE datastream_id = %s"
    async with await connect(database, role="test") as connection:
        async with connection.transaction():
            await connection.execute(tell, (to_datetime(START + 65 * MINUTE), CANAL))
            await connection.execute(
                "DELETE FROM observation WHERE phenomenon_time < %s", (to_datetime(START + 5 * MINUTE),)
            )
            await note_changed_series(connection, [("canal", "water_level")], START)
        for _ in ("requested", "repaired"):
            await repair_alarms(connection, run.model, run, END)
        await run.store()
        found = await run.episodes(START, END)
        assert (ALARM, START + 5 * MINUTE, START + 10 * MINUTE, "major") in found, (
            "what is judged is repaired"
        )
        later = [fact for fact in known if fact[1] >= START + 20 * MINUTE]
        assert [fact for fact in found if fact[1] >= START + 20 * MINUTE] == later != []
        async with connection.transaction():
            await connection.execute(tell, (to_datetime(START + 119 * MINUTE), CANAL))
    await assert_history_is_the_back_test(run)


async def test_a_repair_leaves_alone_what_follows_from_values_that_are_not_stored_yet(
    run: StoredRun, database: str
) -> None:
    """Events of the alarm are stored after the request, and the values behind them are not."""
    for minute in range(60):
        run.pipeline.observe(level(minute, MAJOR if minute % 30 < 10 else LOW))
    await run.store()
    async with await connect(database, role="test") as connection:
        async with connection.transaction():
            await note_changed_series(connection, [("canal", "water_level")], START)
        await repair_alarms(connection, run.model, run, END)
        for minute in range(60, 120):
            run.pipeline.observe(level(minute, MAJOR if minute % 30 < 10 else LOW))
        await run.store()
        known = await run.episodes(START, END)
        async with connection.transaction():
            await connection.execute(
                "DELETE FROM observation WHERE phenomenon_time >= %s", (to_datetime(START + 70 * MINUTE),)
            )
        assert await repair_alarms(connection, run.model, run, END) == len(run.model.rules)
        await run.store()
    assert await run.episodes(START, END) == known
    assert (ALARM, START + 60 * MINUTE, START + 70 * MINUTE, "major") in known


async def test_changes_that_go_on_do_not_postpone_a_repair(run: StoredRun, database: str) -> None:
    for minute in range(60):
        run.pipeline.observe(level(minute, LOW))
    await run.store()
    rules = len(run.model.rules)
    async with await connect(database, role="test") as connection:
        for processed in (1, 1 + rules, 1, 1 + rules):
            async with connection.transaction():
                await note_changed_series(connection, [("canal", "water_level")], START + 30 * MINUTE)
            assert await repair_alarms(connection, run.model, run, END) == processed
            await run.store()


async def test_an_alarm_whose_points_were_all_withdrawn_is_retracted(run: StoredRun, database: str) -> None:
    for minute in range(60):
        run.pipeline.observe(level(minute, MAJOR))
    await run.store()
    async with await connect(database, role="test") as connection, connection.transaction():
        await connection.execute("DELETE FROM observation")
        await note_changed_series(connection, [("canal", "water_level")], START)
    await run.restart()
    await assert_history_is_the_back_test(run)
    assert await run.episodes(START, END) == []
    assert run.kinds(ALARM)[-1] == "retracted"


async def test_repairs_run_until_cancelled_and_wait_for_kafka(
    run: StoredRun, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in (*range(60), *range(61, 240)):
        run.pipeline.observe(level(minute, LOW))
    run.pipeline.observe(level(60, MAJOR, received=240))
    await run.store()
    async with await connect(database, role="test") as connection, connection.transaction():
        await note_changed_series(connection, [("canal", "water_level")], START + 60 * MINUTE)
    send, failures = run.send, ["Kafka is away"]

    async def send_later(corrections: Sequence[AlarmCorrection]) -> None:
        if failures:
            raise ServiceError(failures.pop())
        await send(corrections)

    monkeypatch.setattr(run, "send", send_later)

    async def is_raised() -> bool:
        return ALARM in {event.alarm for event in run.pipeline.alarms}

    task = asyncio.create_task(run_alarm_repairs(database, lambda: run.model, run, lambda: END))
    try:
        await until_true(is_raised)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert failures == []
