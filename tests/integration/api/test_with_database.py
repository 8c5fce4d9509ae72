"""Responses from a real database, and behaviour during outages of database and log."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from cli.embedded.kafka import EmbeddedKafka
from runtime.kafka.consumer import log_identity
from storage.historian.writers import update_writer
from storage.historian.writers.quarantine_writer import write_quarantined
from storage.stores.tokens import create_token
from tests.integration.api.stored_city import StoredCity, published_update
from tests.support.database.history_rows import store_observations
from twin.instant import DAY, HOUR, MINUTE, format_instant, parse_instant, to_datetime
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import QuarantinedMessage, partition_of

START = parse_instant("2026-10-24T00:00:00+02:00")


@pytest.fixture
async def readings(stored: StoredCity) -> list[Observation]:
    """Two days of readings every ten minutes, over the night in which clocks go back."""
    id, personal = stored.datastream("city.0"), stored.datastream("city.7")
    times = range(START, START + 2 * DAY, 10 * MINUTE)
    rows = [
        Observation(datastream, time, time, float(number))
        for datastream in (id, personal)
        for number, time in enumerate(times)
    ]
    await store_observations(stored.connection, rows)
    await stored.connection.commit()
    return [one for one in rows if one.datastream == id]


async def test_readings_are_paged_oldest_first(
    start_api: Any, kafka: str, stored: StoredCity, readings: list[Observation]
) -> None:
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        rows = []
        path = (
            "/v1/entities/city.0/history?property=pm2_5&limit=100"
            f"&start={format_instant(START)}&end={format_instant(START + 2 * DAY)}"
        )
        while path:
            page = (await api.client.get(path)).json()
            rows += page["observations"]
            path = page["_links"].get("next", {}).get("href")
        assert [one["value"] for one in rows] == [one.value for one in readings]
        assert rows[0] == {
            "phenomenonTime": "2026-10-23T22:00:00Z",
            "receivedTime": "2026-10-23T22:00:00Z",
            "value": 0.0,
            "quality": "good",
            "sensorId": "s-city.0",
        }


async def test_without_a_start_the_newest_day_of_a_datastream_is_listed(
    start_api: Any, kafka: str, stored: StoredCity, readings: list[Observation]
) -> None:
    """The newest reading is a month old: without a start the answer is not empty."""
    id = stored.datastream("city.0")
    newest = readings[-1].phenomenon_time
    month_later = newest + 30 * DAY
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:

        async def listed(**query: Any) -> tuple[list[float], dict[str, Any]]:
            values: list[float] = []
            parameters = "&".join(f"{name}={value}" for name, value in query.items())
            path = f"/v1/datastreams/{id}/observations?{parameters}"
            first: dict[str, Any] = {}
            while path:
                page = (await api.client.get(path)).raise_for_status().json()
                first = first or page
                values += [one["value"] for one in page["items"]]
                path = page["_links"].get("next", {}).get("href")
            return values, first

        last_day = [one.value for one in readings if one.phenomenon_time > newest - DAY]
        for limit in (1000, 50):
            values, first = await listed(end=format_instant(month_later), limit=limit)
            assert values == last_day
            assert (first["start"], first["end"]) == (
                format_instant(newest + 1 - DAY),
                format_instant(month_later),
            )
        values, first = await listed()
        assert values == last_day
        values, _ = await listed(knownAt=format_instant(START + DAY))
        assert values == [one.value for one in readings if START < one.phenomenon_time <= START + DAY]
        values, first = await listed(end=format_instant(START))
        assert (values, first["start"]) == ([], format_instant(START - DAY))
        await stored.connection.execute(
            "INSERT INTO datastream_retention (datastream_id, raw_from) VALUES (%s, %s)",
            (id, to_datetime(newest - HOUR)),
        )
        await stored.connection.commit()
        values, first = await listed()
        assert first["start"] == format_instant(newest - HOUR)
        assert values == [one.value for one in readings if one.phenomenon_time >= newest - HOUR]


async def test_local_days_have_25_hours_when_clocks_go_back(
    start_api: Any, kafka: str, stored: StoredCity, readings: list[Observation]
) -> None:
    query = "property=pm2_5&start=2026-10-24T00:00:00%2B02:00&end=2026-10-26T00:00:00%2B01:00"
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        path = f"/v1/entities/city.0/history?{query}&interval=P1D&aggregate=mean,count,max"
        document = (await api.client.get(path)).json()
    assert document["interval"] == "P1D"
    assert document["unit"] == "ug/m3"
    assert [(one["start"], one["end"], one["count"]) for one in document["buckets"]] == [
        ("2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", 144),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 144),
    ]
    assert document["buckets"][0]["mean"] == pytest.approx(71.5)
    assert document["buckets"][0]["max"] == 143
    assert document["buckets"][0]["quality"] == "good"
    assert "min" not in document["buckets"][0]


async def test_a_household_has_published_values_for_all_and_readings_for_metering(
    start_api: Any, kafka: str, stored: StoredCity, readings: list[Observation]
) -> None:
    sums = [
        published_update("city.7", "pm2_5", number + 1, START + (number + 1) * 10 * MINUTE, 100.0 + number)
        for number in range(12)
    ]
    async with stored.connection.transaction():
        await update_writer.write_entity_values(stored.connection, sums)
    await stored.connection.commit()
    span = f"start={format_instant(START)}&end={format_instant(START + DAY)}"
    path = f"/v1/entities/city.7/history?property=pm2_5&{span}"
    readings_path = f"/v1/datastreams/{stored.datastream('city.7')}/observations?{span}"
    operator = {"Authorization": "Bearer sesame"}
    key = {"Authorization": f"Bearer {await create_token(stored.connection, 'settlement', 'metering')}"}
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        assert (await api.client.get(path)).status_code == 403
        assert (await api.client.get(readings_path)).status_code == 403
        assert (await api.client.get(path, headers=operator)).status_code == 403
        assert (await api.client.get(readings_path, headers=operator)).status_code == 403
        for headers in ({}, operator, key):
            answer = await api.client.get(f"{path}&interval=PT1H&aggregate=max,count", headers=headers)
            document = answer.json()
            assert document["source"] == "published"
            assert sum(one["count"] for one in document["buckets"]) == 12
            assert max(one["max"] for one in document["buckets"]) == 111.0
        past = await api.client.get(f"{path}&interval=PT1H&knownAt={format_instant(START)}")
        assert past.status_code == 400
        assert past.json()["errors"][0]["name"] == "knownAt"
        assert len((await api.client.get(path, headers=key)).json()["observations"]) == 144
        assert len((await api.client.get(readings_path, headers=key)).json()["items"]) == 144


MALFORMED = {
    "id": "id-1",
    "feed": "native",
    "device": "d1",
    "topic": "a/b",
    "receivedTime": format_instant(START + 1),
    "reason": "malformed",
    "detail": "not JSON",
    "decoder": None,
    "decoderVersion": None,
    "observations": 0,
    "attempts": 0,
    "replayState": "none",
    "replayRequestedTime": None,
    "resolvedTime": None,
    "payloadBytes": 5,
    "payloadSha256": "ab",
    "payloadTruncated": True,
    "_links": {"payload": {"href": "/v1/quarantine/id-1/payload"}},
}


async def test_quarantined_messages_are_listed_newest_first(
    start_api: Any, kafka: str, stored: StoredCity
) -> None:
    messages = [
        QuarantinedMessage(
            LAYOUT_VERSION,
            f"id-{n}",
            feed,
            "a/b",
            START + n,
            "malformed",
            "not JSON",
            b"\x00\xff",
            5,
            "ab",
            "run",
            n,
            0,
            "d1",
        )
        for n, feed in enumerate(("native", "native", "dsmr"))
    ]
    async with stored.connection.transaction():
        await write_quarantined(stored.connection, messages)
    await stored.connection.commit()
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        key = {"Authorization": "Bearer sesame"}
        first = (await api.client.get("/v1/quarantine?limit=2", headers=key)).json()
        second = (await api.client.get(first["_links"]["next"]["href"], headers=key)).json()
        public = (await api.client.get("/v1/quarantine")).json()["items"]
        unmasked = (await api.client.get("/v1/quarantine?feed=dsmr", headers=key)).json()["items"][0]
        payload_path = unmasked["_links"]["payload"]["href"]
        payload = await api.client.get(payload_path, headers=key)
        refused = await api.client.get(payload_path)
        whole = (await api.client.get("/v1/quarantine/id-1", headers=key)).json()
        masked = (await api.client.get("/v1/quarantine/id-2")).json()
        unknown = await api.client.get("/v1/quarantine/id-9/payload", headers=key)
    assert [one["id"] for one in first["items"] + second["items"]] == ["id-2", "id-1", "id-0"]
    # Nobody but operators sees what an unknown device sent, and nobody the hash of a household's payload.
    hidden = ("device", "topic", "detail", "payloadSha256")
    assert [one[name] for one in public for name in hidden] == [None] * 12
    assert [one["_links"] for one in public] == [{}] * 3
    assert [one["payloadSha256"] for one in first["items"]] == [None, "ab"]
    assert (payload.content, payload.headers["content-type"]) == (b"\x00\xff", "application/octet-stream")
    assert (refused.status_code, unknown.status_code) == (401, 404)
    assert first["items"][1] == MALFORMED
    assert whole == {**MALFORMED, "payload": base64.b64encode(b"\x00\xff").decode()}
    assert masked["payload"] is None


async def test_the_view_is_seeded_from_the_database_and_continues_from_its_positions(
    start_api: Any, kafka: str, stored: StoredCity, log: Any
) -> None:
    await log.write_updates("city.1", "city.1", "city.1")
    partition = partition_of("city.1", 4)
    log.revisions["city.1"] = 1
    second = log.update("city.1")
    log.revisions["city.1"] = 3
    await stored.remember(await log_identity(kafka), {partition: 2}, second)
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        assert (await api.client.get("/v1/health/ready")).json()["status"] == "ok"
        async with api.follow(entity="city.1") as events:
            assert [data["revision"] for _, _, data in await events.snapshot()] == [3]


async def test_a_replaced_log_is_detected_and_the_view_is_seeded_anew(
    start_api: Any, stored: StoredCity, service_folder: Path, open_log: Any
) -> None:
    broker = EmbeddedKafka(service_folder)
    await broker.start()
    try:
        async with start_api(broker.bootstrap, model=stored.model, database=stored.dsn) as api:
            async with open_log(broker.bootstrap) as log, api.follow() as events:
                await events.snapshot()
                update = log.update("city.1")
                await log.write([update])
                assert (await events.next())[2]["revision"] == 1
                revisions = log.revisions
                await stored.remember(broker.cluster_id, {partition_of("city.1", 4): 1}, update)
            async with api.follow() as events:
                await events.snapshot()
                await broker.stop()
                await broker.start()
                _, name, data = await events.next()
                assert (name, data["reason"]) == ("gap", "log-changed")
                assert [data["revision"] for _, _, data in await events.snapshot()] == [1]
                async with open_log(broker.bootstrap) as log:
                    log.revisions = revisions
                    await log.write_updates("city.1")
                assert (await events.next())[2]["revision"] == 2
    finally:
        await broker.stop()


async def test_what_is_computed_again_is_listed(start_api: Any, kafka: str, stored: StoredCity) -> None:
    async with stored.connection.transaction():
        await stored.connection.execute(
            "INSERT INTO recompute_request (sensor_id, property, start, reason) "
            "VALUES ('s-city.0', 'pm2_5', '2026-01-01Z', 'quality')"
        )
    await stored.connection.commit()
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        (item,) = (await api.client.get("/v1/recomputes")).raise_for_status().json()["items"]
    assert item.pop("requestedTime")
    assert item == {
        "reason": "quality",
        "property": "pm2_5",
        "sensors": 1,
        "finishedSensors": 0,
        "progress": 0.0,
        "finishedTime": None,
    }
