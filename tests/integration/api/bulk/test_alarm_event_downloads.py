"""Downloads of events of alarms: all that a role may see, in the order in which they were published."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from api.bulk import alarm_events as bulk_alarm_events
from api.bulk.columns import ALARM_EVENTS
from api.bulk.media_types import ARROW, CSV, JSON_LINES, PARQUET
from runtime.kafka import topics
from storage.stores import alarms as stored_alarms
from tests.integration.api.stored_city import StoredCity, store_records
from tests.support.http.downloaded_rows import Row, read_rows
from tests.support.payloads.alarm_events import NOON, acknowledged_event, alarm_event, alarm_record
from twin.instant import DAY, HOUR, MINUTE, format_instant

SPAN = f"start={format_instant(NOON - HOUR)}&end={format_instant(NOON + DAY)}"
OPERATOR = {"Authorization": "Bearer sesame"}


@pytest_asyncio.fixture
async def alarms(stored: StoredCity) -> StoredCity:
    """A city with five alarms, one of them of a meter; each is acknowledged a minute later, with a text."""
    events = []
    for number in range(5):
        entity = "city.7" if number == 4 else f"city.{number}"
        sensor = "s-city.7" if number == 4 else ""
        time = NOON + number * MINUTE
        raised = alarm_event(
            f"rule-{number}", entity, sensor=sensor, time=time, told_time=time, theme="environment"
        )
        seen = replace(acknowledged_event(raised, "Ann"), text='=1+1, "so"', told_time=time + MINUTE)
        events += [raised, seen]
    await store_records(stored, (topics.ALARMS, 0, alarm_record(*events)))
    return stored


async def download(api: Any, query: str = "", media_type: str = JSON_LINES, **headers: str) -> list[Row]:
    response = await api.client.get(
        f"/v1/alarm-events?{SPAN}&{query}", headers={"Accept": media_type, **headers}
    )
    assert response.status_code == 200, response.text
    return read_rows(media_type, response.content, ALARM_EVENTS)


async def test_events_are_those_of_each_alarm_in_every_format(
    start_api: Any, kafka: str, alarms: StoredCity
) -> None:
    async with start_api(kafka, model=alarms.model, database=alarms.dsn) as api:
        rows = await download(api, **OPERATOR)
        assert [(row["alarmId"].split("~")[0], row["revision"]) for row in rows][:4] == [
            ("rule-0", 1),
            ("rule-0", 2),
            ("rule-1", 1),
            ("rule-1", 2),
        ]
        assert len(rows) == 10
        assert rows[1]["actor"] == "Ann"
        assert rows[1]["text"] == '=1+1, "so"'
        assert rows[1]["acknowledged"] is True
        for media_type in (CSV, ARROW, PARQUET):
            assert await download(api, media_type=media_type, **OPERATOR) == rows


async def test_a_role_sees_what_it_sees_elsewhere(start_api: Any, kafka: str, alarms: StoredCity) -> None:
    async with start_api(kafka, model=alarms.model, database=alarms.dsn) as api:
        rows = await download(api)
        assert {row["entityId"] for row in rows} == {"city.0", "city.1", "city.2", "city.3"}
        assert {(row["actor"], row["text"], row["acknowledgedBy"]) for row in rows} == {(None, None, None)}
        cursor = (await download(api, "limit=3"))[-1]["cursor"]
        assert cursor
        refused = await api.client.get(f"/v1/alarm-events?{SPAN}&cursor={cursor}", headers=OPERATOR)
        assert refused.status_code == 400


async def test_filters_knowledge_and_cursors(
    start_api: Any, kafka: str, alarms: StoredCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (bulk_alarm_events, stored_alarms):
        monkeypatch.setattr(module, "ALARM_ROWS_MAX", 3)
    async with start_api(kafka, model=alarms.model, database=alarms.dsn) as api:
        whole = await download(api, **OPERATOR)
        assert len(whole) == 10
        assert [row["alarmId"] for row in await download(api, "entity=city.1")] == ["rule-1~city.1"] * 2
        known = format_instant(NOON + MINUTE)
        assert len(await download(api, f"knownAt={known}", **OPERATOR)) == 3
        for number, row in enumerate(whole):
            if row["cursor"]:
                rest = await download(api, f"cursor={row['cursor']}", **OPERATOR)
                assert [each["toldTime"] for each in rest] == [
                    each["toldTime"] for each in whole[number + 1 :]
                ]
        rows: list[Row] = []
        cursor: str | None = ""
        while cursor is not None:
            part = await download(api, "limit=4" + (f"&cursor={cursor}" if cursor else ""), **OPERATOR)
            rows += part
            cursor = part[-1]["cursor"] if part else None
        assert [{**row, "cursor": None} for row in rows] == [{**row, "cursor": None} for row in whole]
        unknown = await api.client.get("/v1/alarm-events?rule=nothing&theme=love")
        assert {each["name"].split(".")[0] for each in unknown.json()["errors"]} == {"rule", "theme"}
