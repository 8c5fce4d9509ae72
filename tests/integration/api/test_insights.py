"""Unknown devices and correlations, from a real database."""

from __future__ import annotations

import math
from typing import Any

import pytest

from runtime.kafka import topics
from storage.historian.writers import update_writer
from tests.integration.api.stored_city import StoredCity, published_update, store_records
from tests.support.database.historian import quarantined_message, record_with_headers
from twin.instant import HOUR, MINUTE, Instant, format_instant, parse_instant
from twin.model.observation import Observation
from twin.wire.messages import QUARANTINE, partition_of

START: Instant = parse_instant("2026-11-23T12:00:00Z")
OPERATOR = {"Authorization": "Bearer sesame"}


async def test_an_unknown_device_is_listed_with_its_sensor_template(
    start_api: Any, kafka: str, stored: StoredCity
) -> None:
    payload = b'{"time": "2026-11-23T12:00:00Z", "values": {"pm2_5": 11.2, "mystery": 3}}'
    messages = [
        quarantined_message(number, feed="native", device="new-1", received_time=START + number * 10 * MINUTE)
        for number in range(5)
    ]
    await store_records(stored, *((topics.QUARANTINE, 0, QUARANTINE.encode(one)) for one in messages))
    await stored.connection.execute(
        "UPDATE quarantine SET payload = %s, topic = 'livetwin/city/new-1/observations'", (payload,)
    )
    await stored.connection.commit()
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        (device,) = (await api.client.get("/v1/unassigned-devices")).json()["items"]
        (shown,) = (await api.client.get("/v1/unassigned-devices", headers=OPERATOR)).json()["items"]
        link = shown["messages"][0]["_links"]["payload"]["href"]
        newest = await api.client.get(link, headers=OPERATOR)
    assert (device["feed"], device["device"], device["assign"], device["count"]) == ("native", None, None, 5)
    assert "new-1" not in repr(device)
    assert (shown["feed"], shown["device"], shown["count"]) == ("native", "new-1", 5)
    assert device["lastReceivedTime"] == "2026-11-23T12:40:00Z"
    assert [one["_links"] for one in device["messages"]] == [{}] * 3
    assert newest.content == payload
    assert shown["assign"]["sensorsYaml"] == (
        "  - id: <your name for the sensor>\n"
        '    feed: "native"\n'
        '    device: "new-1"\n'
        "    entity: <id of the measured entity>\n"
        "    interval: PT10M\n"
        "    observes:\n"
        '      - {property: pm2_5, field: "pm2_5", unit: "ug/m3"}\n'
        '      - {property: <observed property>, field: "mystery", unit: "<UCUM>"}\n'
    )


async def test_a_correlation_finds_a_lag_of_two_hours(start_api: Any, kafka: str, stored: StoredCity) -> None:
    def wave(hour: int) -> float:
        return 20 + math.sin(hour) * 5 + math.sin(hour * 0.37) * 3

    air = stored.datastream("city.0")
    hours = range(200)
    found = [Observation(air, START + one * HOUR, START + one * HOUR, wave(one)) for one in hours]
    await store_records(
        stored, (topics.OBSERVATIONS, partition_of("city.0", 4), record_with_headers(found, "run"))
    )
    followed = [
        published_update("city", "area_no2", one + 1, START + one * HOUR, wave(one - 2)) for one in hours
    ]
    async with stored.connection.transaction():
        await update_writer.write_entity_values(stored.connection, followed)
    await stored.connection.commit()
    span = f"start={format_instant(START)}&end={format_instant(START + 200 * HOUR)}"
    path = f"/v1/insights/correlations?entity=city&x=city.0:pm2_5&y=area_no2&lag=5&method=spearman&{span}"
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        document = (await api.client.get(path)).json()
    assert document["x"] == {"entityId": "city.0", "property": "pm2_5", "unit": "ug/m3", "hours": 200}
    assert document["best"]["lag"] == 2
    assert document["best"]["coefficient"] == pytest.approx(1.0)
    assert document["best"]["pairs"] == 198
    assert document["significant"]
    assert [one["lag"] for one in document["lags"]] == list(range(-5, 6))
    assert all(
        one["interval"]["low"] <= one["coefficient"] <= one["interval"]["high"] for one in document["lags"]
    )
