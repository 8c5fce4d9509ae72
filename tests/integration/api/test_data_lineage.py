"""Lineage, ledger, replays and earlier knowledge, from a real database."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio
from msgspec import structs

from runtime.kafka import topics
from storage.historian.writers import update_writer
from storage.stores.tokens import create_token
from tests.integration.api.stored_city import StoredCity, published_update, store_records
from tests.support.database.historian import payload_of, quarantined_message, record_with_headers
from twin.instant import HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant, to_datetime
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AGGREGATES, QUARANTINE, AggregateBatch, Assessment, partition_of

START: Instant = parse_instant("2026-11-23T12:00:00Z")
OPERATOR = {"Authorization": "Bearer sesame"}


def measured(stored: StoredCity, entity: str, property: str, values: list[float]) -> list[Observation]:
    """Observations every ten minutes, each received a second later."""
    id = stored.datastream(entity, property)
    times = [START + number * 10 * MINUTE for number in range(len(values))]
    return [Observation(id, time, time + SECOND, value) for time, value in zip(times, values, strict=True)]


@pytest_asyncio.fixture
async def air(stored: StoredCity) -> list[Observation]:
    """An hour of one sensor in log and database, with its calibration; the fifth value is a spike."""
    values = measured(stored, "city.0", "pm2_5", [10.0, 11.0, 12.0, 11.0, 900.0, 11.0])
    partition = partition_of("city.0", 4)
    spike = Assessment(values[4].datastream, values[4].phenomenon_time, int(QualityFlag.SPIKE), START)
    judged = AGGREGATES.encode(AggregateBatch(LAYOUT_VERSION, START, 0, (), (spike,), ()))
    await store_records(
        stored,
        (topics.OBSERVATIONS, partition, record_with_headers(values, "run")),
        (topics.AGGREGATES, partition, judged),
        (topics.QUARANTINE, 0, QUARANTINE.encode(quarantined_message(6, received_time=START))),
    )
    await stored.connection.execute(
        'INSERT INTO calibration (sensor_id, property, start, gain, "offset", note, created_at) '
        "VALUES ('s-city.0', 'pm2_5', %s, 2.0, 1.0, '', %s)",
        (to_datetime(START + 30 * MINUTE), to_datetime(START)),
    )
    await stored.connection.commit()
    return values


async def test_a_value_is_traced_to_its_observation_calibration_decoder_topic_and_payload(
    start_api: Any, kafka: str, stored: StoredCity, air: list[Observation]
) -> None:
    at = format_instant(START + 51 * MINUTE)
    path = f"/v1/entities/city.0/provenance?property=pm2_5&time={at}"
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        document = (await api.client.get(path, headers=OPERATOR)).json()
        public = (await api.client.get(path)).json()
    payload = payload_of(air[5])
    assert document["kind"] == "observed"
    assert document["value"]["value"] == 2 * 11.0 + 1.0
    (origin,) = document["observations"]
    message = origin.pop("message")
    assert origin == {
        "datastreamId": air[5].datastream,
        "sensorId": "s-city.0",
        "phenomenonTime": "2026-11-23T12:50:00Z",
        "receivedTime": "2026-11-23T12:50:01Z",
        "rawValue": 11.0,
        "value": 23.0,
        "quality": "good",
        "flags": [],
        "calibration": {"start": "2026-11-23T12:30:00Z", "end": None, "gain": 2.0, "offset": 1.0},
    }
    assert message["topic"] == f"livetwin/alkmaar/s{air[5].datastream}/observations"
    assert (message["decoder"], message["decoderVersion"], message["feed"]) == ("native", 1, "native")
    assert message["payloadSha256"] == sha256(payload).hexdigest()
    assert base64.b64decode(message["payload"]) == payload
    assert (message["session"], message["sequence"], message["replayed"]) == ("run", 5, False)
    # The device has another name than its sensor: such as an address of a radio network.
    (seen,) = public["observations"]
    shown = seen.pop("message")
    assert [shown[name] for name in ("topic", "device", "payload", "payloadSha256")] == [None] * 4
    assert (seen, shown["decoder"]) == (origin, "native")
    assert message["log"] == {
        "id": "log",
        "topic": "observations",
        "partition": partition_of("city.0", 4),
        "offset": 0,
    }


PUBLIC_ADDRESSES = {
    "{id}": "city.0",
    "/v1/entities/{id}/provenance": "/v1/entities/city.0/provenance?property=pm2_5"
    f"&time={format_instant(START + 51 * MINUTE)}",
    "/v1/entities/{id}/history": "/v1/entities/city.0/history?property=pm2_5"
    f"&start={format_instant(START)}&end={format_instant(START + HOUR)}",
    "/v1/quarantine/{id}": "/v1/quarantine/id6",
    "/v1/quarantine/{id}/payload": "/v1/quarantine/id6/payload",
    "/v1/ledger": f"/v1/ledger?start={format_instant(START)}&end={format_instant(START + HOUR)}",
    "/v1/observations": f"/v1/observations?start={format_instant(START)}&end={format_instant(START + HOUR)}",
}
"""Of operations that need an id of their own, or a time in which there is something."""

ENDLESS = {"/v1/live", "/v1/streams/live"}
"""Streams: `tests/unit/api/access/test_permission_matrix.py` looks at what they send."""


async def public_text(api: Any) -> str:
    """Return all that an anonymous client gets from the operations that read."""
    document = (await api.client.get("/v1/openapi.json")).json()
    text = ""
    for path, operations in document["paths"].items():
        address = f"/v1{path}"
        if "get" in operations and address not in {*ENDLESS, "/v1/openapi.json"}:
            address = PUBLIC_ADDRESSES.get(address) or address.replace("{id}", PUBLIC_ADDRESSES["{id}"])
            text += (await api.client.get(address)).text
    return text


def sent(values: list[Observation]) -> list[str]:
    """Return how devices sent them: their payloads, topics and names."""
    payloads = [*(payload_of(one) for one in values), b"payload"]
    texts = [base64.b64encode(one).decode() for one in payloads]
    return [*texts, '"a/b"', '"d1"', f"livetwin/alkmaar/s{values[0].datastream}/observations"]


async def test_no_answer_to_the_public_has_what_devices_sent(
    start_api: Any,
    kafka: str,
    stored: StoredCity,
    air: list[Observation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        text = await public_text(api)
        for name in ("source_visibility.may_see_payloads", "source_visibility.role_includes"):
            monkeypatch.setattr(f"api.access.{name}", lambda *_: True)
        leaking = await public_text(api)
    assert [each for each in sent(air) if each in text] == []
    found = [each for each in sent(air) if each in leaking]
    # The payload of quarantine has a link; of the values the one that is asked for.
    assert sent([air[5]])[0] in found
    assert sent(air)[-3:] == found[-3:]


async def test_a_bucket_is_traced_to_all_its_observations_including_suspect_ones(
    start_api: Any, kafka: str, stored: StoredCity, air: list[Observation]
) -> None:
    span = f"start={format_instant(START)}&end={format_instant(START + HOUR)}"
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        path = f"/v1/entities/city.0/history?property=pm2_5&{span}&interval=PT1H&aggregate=mean,max"
        (bucket,) = (await api.client.get(path)).json()["buckets"]
        document = (await api.client.get(f"/v1/entities/city.0/provenance?property=pm2_5&{span}")).json()
    assert (bucket["count"], bucket["suspect"], bucket["quality"]) == (5, 1, "suspect")
    assert bucket["mean"] == pytest.approx((10 + 11 + 12 + 23 + 23) / 5)
    assert document["aggregate"]["mean"] == pytest.approx(bucket["mean"])
    assert (document["aggregate"]["count"], document["aggregate"]["suspect"]) == (5, 1)
    assert [one["rawValue"] for one in document["observations"]] == [one.value for one in air]
    assert [one["flags"] for one in document["observations"]][3:] == [[], ["spike"], []]
    assert not document["truncated"]


async def test_history_is_answered_as_of_an_earlier_time(
    start_api: Any, kafka: str, stored: StoredCity, air: list[Observation]
) -> None:
    span = f"start={format_instant(START)}&end={format_instant(START + HOUR)}"
    known = format_instant(START + 21 * MINUTE)
    path = f"/v1/entities/city.0/history?property=pm2_5&{span}"
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        then = (await api.client.get(f"{path}&knownAt={known}")).json()
        (bucket,) = (await api.client.get(f"{path}&knownAt={known}&interval=PT1H")).json()["buckets"]
    assert then["knownAt"] == known
    assert [one["value"] for one in then["observations"]] == [10.0, 11.0, 12.0]
    assert bucket["count"] == 3


async def test_an_indicator_is_traced_to_its_inputs_and_a_roll_up_to_its_entities(
    start_api: Any, kafka: str, stored: StoredCity, log: Any, air: list[Observation]
) -> None:
    end = START + HOUR
    updates = [published_update("city.0", "lki", 1, end, 3.0, count=1)]
    async with stored.connection.transaction():
        await update_writer.write_entity_values(stored.connection, updates)
    await stored.connection.commit()
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        await log.write_updates("city.0", "city.1")
        await log.write([published_update("city", "area_pm2_5", 1, START, 2.0)])
        rolled_up = published_update("city.0", "area_pm2_5", 1, START, 2.5)
        await log.write([structs.replace(rolled_up, members=1, members_expected=1)])
        await api.shows(4)
        path = f"/v1/entities/city.0/provenance?property=lki&time={format_instant(end)}"
        index = (await api.client.get(path)).json()
        area = (await api.client.get("/v1/entities/city/provenance?property=area_pm2_5")).json()
        deeper = await api.client.get(index["inputs"][0]["_links"]["provenance"]["href"])
        history = (
            await api.client.get(
                f"/v1/entities/city.0/history?property=lki&start={format_instant(START)}"
                f"&end={format_instant(end + 1)}"
            )
        ).json()
    assert (index["kind"], index["value"]["value"]) == ("indicator", 3.0)
    assert "highest class" in index["formula"]
    (fine, no2) = sorted(index["inputs"], key=lambda one: one["property"] != "pm2_5")
    assert (no2["property"], no2["observations"]) == ("no2", [])
    assert fine["buckets"][0]["count"] == 5
    assert fine["observations"][0]["message"]["decoder"] == "native"
    assert deeper.status_code == 200
    assert (area["kind"], area["rollUp"]) == ("rollUp", "mean")
    # Neighbourhoods are areas: what is measured in them reaches the city rolled up over them.
    assert [(one["entityId"], one["property"], one["value"]) for one in area["contributions"]] == [
        ("city.0", "area_pm2_5", 2.5)
    ]
    # The others have a sensor and no value; the sum of the one household in city.7 is never published.
    assert area["missingEntityIds"] == [f"city.{number}" for number in range(1, 7)]
    assert history["source"] == "published"
    assert history["observations"] == [
        {"phenomenonTime": "2026-11-23T13:00:00Z", "value": 3.0, "quality": "good", "count": 1}
    ]


async def test_the_payloads_and_readings_of_a_household_are_for_metering_only(
    start_api: Any, kafka: str, stored: StoredCity
) -> None:
    values = measured(stored, "city.7", "pm2_5", [1.0])
    await store_records(
        stored, (topics.OBSERVATIONS, partition_of("city.7", 4), record_with_headers(values, "run"))
    )
    async with stored.connection.transaction():
        sums = [published_update("city.7", "pm2_5", 1, START + 10 * MINUTE, 41.5)]
        await update_writer.write_entity_values(stored.connection, sums)
    key = {"Authorization": f"Bearer {await create_token(stored.connection, 'settlement', 'metering')}"}
    await stored.connection.commit()
    path = f"/v1/entities/city.7/provenance?property=pm2_5&time={format_instant(START + 15 * MINUTE)}"
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        for headers in ({}, OPERATOR):
            answer = await api.client.get(path, headers=headers)
            document = answer.json()
            assert (document["value"]["value"], document["value"]["count"]) == (41.5, 12)
            assert document["observations"] == []
            assert "s-city.7" not in answer.text
        (origin,) = (await api.client.get(path, headers=key)).json()["observations"]
    assert origin["rawValue"] == 1.0
    assert base64.b64decode(origin["message"]["payload"]) == payload_of(values[0])


async def test_the_ledger_shows_its_equations_and_its_balance(
    start_api: Any, kafka: str, stored: StoredCity, air: list[Observation]
) -> None:
    path = f"/v1/ledger?start={format_instant(START)}&end={format_instant(START + HOUR)}"
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        document = (await api.client.get(path)).json()
        first = (await api.client.get(f"{path}&limit=4")).json()
        rest = (await api.client.get(first["_links"]["next"]["href"])).json()
        one_feed = (await api.client.get(f"{path}&feed=ttn")).json()
    assert document["balanced"] is True
    assert document["interruptions"] == []
    assert document["balance"]["equations"] == [
        "received 7 = accepted 6 + quarantined 1",
        "observations 6 = new 6 + corrected 0 + superseded 0 + duplicate 0",
        "new 6 = stored 6 + removed 0",
        "lost 0 = 0",
    ]
    assert [(one["session"], one["messages"], one["holes"]) for one in document["sessions"]] == [
        ("run", 7, [])
    ]
    assert first["items"] + rest["items"] == document["items"]
    assert first["totals"] == document["totals"]
    assert {one["feed"] for one in document["items"]} == {"native", "ttn"}
    assert one_feed["totals"]["quarantined"] == one_feed["totals"]["received"] == 1


async def test_a_ledger_with_a_missing_row_does_not_balance(
    start_api: Any, kafka: str, stored: StoredCity, air: list[Observation]
) -> None:
    await stored.connection.execute(
        "DELETE FROM observation WHERE phenomenon_time = %s", (to_datetime(air[0].phenomenon_time),)
    )
    await stored.connection.commit()
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        document = (await api.client.get("/v1/ledger")).json()
    assert document["balanced"] is False
    assert "new 6 = stored 5 + removed 0" in document["balance"]["equations"]


async def test_repeated_replay_requests_count_once(start_api: Any, kafka: str, stored: StoredCity) -> None:
    messages = [
        quarantined_message(number, reason=reason, device=f"d{number}", received_time=START + number)
        for number, reason in enumerate(("malformed", "malformed", "checksum"))
    ]
    await store_records(stored, *((topics.QUARANTINE, 0, QUARANTINE.encode(one)) for one in messages))
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:

        async def replay(path: str) -> Any:
            return await api.client.post(f"/v1/quarantine/{path}", headers=OPERATOR)

        first, again = await replay("id0/_replay"), await replay("id0/_replay")
        assert (first.status_code, first.json()["requested"]) == (202, 1)
        assert (again.status_code, again.json()["requested"]) == (202, 0)
        assert (await replay("id9/_replay")).status_code == 404
        many = await replay("_replay?reason=checksum&feed=ttn")
        assert (many.status_code, many.json()["requested"]) == (202, 1)
        assert (await replay("_replay?device=d7")).json()["requested"] == 0
        items = (await api.client.get("/v1/quarantine?resolved=false")).json()["items"]
        assert {one["id"]: one["replayState"] for one in items} == {
            "id0": "requested",
            "id1": "none",
            "id2": "requested",
        }
        assert (await api.client.get("/v1/quarantine?resolved=true")).json()["items"] == []
        assert (await api.client.get("/v1/quarantine?device=d1")).status_code == 401
        narrow = (await api.client.get("/v1/quarantine?device=d1", headers=OPERATOR)).json()["items"]
        assert [(one["id"], one["decoder"], one["attempts"]) for one in narrow] == [("id1", "ttn", 0)]
