"""Downloads of observations: rows, formats, rights, knowledge of the past, and faults."""

from __future__ import annotations

import asyncio
import io
import socket
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.access.principal import Principal
from api.bulk import download as bulk_download
from api.bulk import observations as bulk_observations
from api.bulk.columns import OBSERVATIONS
from api.bulk.media_types import ARROW, CSV, JSON_LINES, PARQUET
from api.http.limits.bounded_protocol import BoundedHttpProtocol
from api.http.problems import ProblemError
from storage.database import QueryError
from storage.history import observation_columns
from storage.stores.tokens import create_token
from tests.integration.api.bulk.stored_readings import CORRECTED, END, SPAN, START, STEP, Readings
from tests.support.http.downloaded_rows import Row, read_rows
from twin.instant import DAY, HOUR, SECOND, format_instant, to_datetime

connection_made = BoundedHttpProtocol.connection_made


def with_small_buffer(protocol: BoundedHttpProtocol, transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_024)
    connection_made(protocol, transport)


OPEN_ROWS = 2 * 2 * 288
DEADLINE_S = 30.0


async def download(api: Any, query: str = "", media_type: str = JSON_LINES, **headers: str) -> list[Row]:
    response = await api.client.get(
        f"/v1/observations?{SPAN}&{query}", headers={"Accept": media_type, **headers}
    )
    assert response.status_code == 200, response.text
    return read_rows(media_type, response.content, OBSERVATIONS)


async def metering_key(readings: Readings) -> str:
    key = await create_token(readings.city.connection, "research", "metering")
    await readings.city.connection.commit()
    return f"Bearer {key}"


async def history(api: Any, entity: str, property: str, **query: str) -> list[Row]:
    """Return the rows that the history of an entity has, with what the query says of all of them."""
    rows: list[Row] = []
    path = f"/v1/entities/{entity}/history?property={property}&{SPAN}&limit=100"
    path += "".join(f"&{name}={value}" for name, value in query.items())
    while path:
        page = (await api.client.get(path)).raise_for_status().json()
        rows += [{**one, "entityId": entity, "property": property} for one in page["observations"]]
        path = page["_links"].get("next", {}).get("href")
    return rows


def without(rows: list[Row], *names: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


@pytest.fixture(params=[None, 100], ids=["one part", "small parts"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parts have few rows, so that there are many."""
    if request.param is not None:
        for module in (bulk_observations, observation_columns):
            monkeypatch.setattr(module, "COLUMN_ROWS_MAX", request.param)


@pytest.mark.usefixtures("parts")
async def test_rows_are_those_of_the_histories_in_order(
    start_api: Any, kafka: str, readings: Readings
) -> None:
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        rows = await download(api)
        expected = [
            row
            for entity in ("city.0", "city.1")
            for property in ("pm2_5", "no2")
            for row in await history(api, entity, property)
        ]
        assert len(rows) == OPEN_ROWS
        places = [(row["phenomenonTime"], row["datastreamId"]) for row in rows]
        assert places == sorted(places)
        assert {row["unit"] for row in rows} == {"ug/m3"}
        key = ("phenomenonTime", "entityId", "property")
        assert sorted(
            without(rows, "datastreamId", "unit", "cursor"), key=lambda row: [row[name] for name in key]
        ) == sorted(expected, key=lambda row: [row[name] for name in key])
        assert {row["quality"] for row in rows} == {"good", "late", "estimated", "suspect"}


@pytest.mark.usefixtures("parts")
async def test_a_download_goes_on_behind_every_cursor_and_limit(
    start_api: Any, kafka: str, readings: Readings
) -> None:
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        whole = await download(api, "property=pm2_5")
        for limit in (577, 575, 250, 1_000):
            rows: list[Row] = []
            query = f"property=pm2_5&limit={limit}"
            cursor: str | None = ""
            while cursor is not None:
                part = await download(api, query + (f"&cursor={cursor}" if cursor else ""))
                rows += part
                cursor = part[-1]["cursor"] if part else None
            assert without(rows, "cursor") == without(whole, "cursor")
        for number, row in enumerate(whole):
            if row["cursor"]:
                rest = await download(api, f"property=pm2_5&cursor={row['cursor']}")
                assert without(rest, "cursor") == without(whole[number + 1 :], "cursor")
                # In the next format, too, and with the address that the answer has of itself.
                assert (
                    read_rows(
                        PARQUET,
                        (
                            await api.client.get(
                                f"/v1/observations?property=pm2_5&cursor={row['cursor']}",
                                headers={"Accept": PARQUET},
                            )
                        ).content,
                        OBSERVATIONS,
                    )
                    == rest
                )


@pytest.mark.parametrize("media_type", [CSV, JSON_LINES, ARROW, PARQUET])
async def test_duckdb_and_pandas_read_every_format(
    start_api: Any, kafka: str, readings: Readings, tmp_path: Path, media_type: str
) -> None:
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        rows = await download(api)
        response = await api.client.get(f"/v1/observations?{SPAN}", headers={"Accept": media_type})
        path = tmp_path / "observations"
        path.write_bytes(response.content)
    if media_type == CSV:
        assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        frame = pd.read_csv(path, parse_dates=["phenomenonTime", "receivedTime"])
        table = duckdb.read_csv(str(path))
    elif media_type == JSON_LINES:
        frame = pd.read_json(path, lines=True, dtype=False)
        frame["phenomenonTime"] = pd.to_datetime(frame["phenomenonTime"])
        table = duckdb.read_json(str(path), format="newline_delimited")
    elif media_type == ARROW:
        arrow = pa.ipc.open_stream(response.content).read_all()
        frame, table = arrow.to_pandas(), duckdb.from_arrow(arrow)
    else:
        frame, table = pd.read_parquet(path), duckdb.read_parquet(str(path))
    assert len(frame) == len(rows)
    assert frame["phenomenonTime"].dt.tz is not None
    assert frame["phenomenonTime"].iloc[-1] == pd.Timestamp(rows[-1]["phenomenonTime"])
    assert frame["value"].sum() == pytest.approx(sum(row["value"] for row in rows))
    assert sorted(frame["quality"].astype(str)) == sorted(row["quality"] for row in rows)
    ((*found,),) = table.aggregate(
        "count(*), sum(value), count(DISTINCT entityId), epoch_us(max(phenomenonTime::TIMESTAMPTZ))"
    ).fetchall()
    assert (found[0], found[2], found[3]) == (OPEN_ROWS, 2, END - STEP)
    assert found[1] == pytest.approx(sum(row["value"] for row in rows))


async def test_the_answer_is_as_known_then(start_api: Any, kafka: str, readings: Readings) -> None:
    corrected = readings.corrected_at
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:

        async def known(at: int) -> dict[str, Any]:
            rows = await download(api, f"entity=city.0&property=pm2_5&knownAt={format_instant(at)}")
            expected = await history(api, "city.0", "pm2_5", knownAt=format_instant(at))
            assert without(rows, "datastreamId", "unit", "cursor") == expected
            return {row["phenomenonTime"]: row["value"] for row in rows}

        time = format_instant(CORRECTED)
        assert (await known(corrected - 1))[time] == 144 / 7
        assert (await known(corrected))[time] == 999
        assert len(await known(START + HOUR + SECOND)) == 7


async def test_a_household_is_for_metering_alone(start_api: Any, kafka: str, readings: Readings) -> None:
    key = await metering_key(readings)
    sensor = "s-city.7"
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        for headers in ({}, {"Authorization": "Bearer sesame"}):
            for media_type in (CSV, JSON_LINES, ARROW, PARQUET):
                rows = await download(api, media_type=media_type, **headers)
                assert {row["entityId"] for row in rows} == {"city.0", "city.1"}
            refused = await api.client.get("/v1/observations?entity=city.7", headers=headers)
            assert refused.status_code == 403
            unknown = await api.client.get(f"/v1/observations?sensor={sensor}", headers=headers)
            assert unknown.status_code == 400
        rows = await download(api, Authorization=key)
        assert {row["entityId"] for row in rows} == {"city.0", "city.1", "city.7"}
        of_meter = await download(api, f"sensor={sensor}&limit=5", Authorization=key)
        assert [row["sensorId"] for row in of_meter] == [sensor] * 5
        # The rest of a download is for who may read its beginning.
        cursor = (await download(api, "limit=5", Authorization=key))[-1]["cursor"]
        other = await api.client.get(f"/v1/observations?{SPAN}&limit=5&cursor={cursor}")
        assert other.status_code == 400
        # Readings stay personal after the meter has left the model.
        await readings.city.connection.execute(
            "UPDATE datastream SET active = false, retired_at = now() WHERE sensor_id = %s", (sensor,)
        )
        await readings.city.connection.commit()
        assert {row["entityId"] for row in await download(api)} == {"city.0", "city.1"}


async def test_a_role_that_holds_in_areas_reads_households_there(
    start_api: Any, kafka: str, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        for area, entities in (("city.0", {"city.0", "city.1"}), ("city.7", {"city.0", "city.1", "city.7"})):

            async def principal_of(_: str, area: str = area) -> Principal:
                return Principal("desk", "metering", frozenset({area}))

            monkeypatch.setattr(api.context.authenticator, "principal_of", principal_of)
            assert {row["entityId"] for row in await download(api)} == entities


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("property=pm25", "property"),
        ("type=Neighborhood", "type"),
        ("parent=nowhere", "parent"),
        ("sensor=nobody", "sensor"),
        ("properties=pm2_5", "properties"),
        ("start=yesterday", "start"),
        ("start=2026-10-25T00:00:00Z&end=2026-10-25T00:00:00Z", "start"),
        ("knownAt=2999-01-01T00:00:00Z", "knownAt"),
        ("cursor=abc", "cursor"),
        ("cursor=" + "A" * 3_000, "cursor"),
        ("limit=0", "limit"),
        ("property=", "property"),
    ],
)
async def test_a_fault_is_named(api: Any, query: str, name: str) -> None:
    response = await api.client.get(f"/v1/observations?{query}")
    assert response.status_code == 400
    assert [each["name"].split(".")[0] for each in response.json()["errors"]] == [name]


async def test_all_faults_come_at_once(api: Any) -> None:
    response = await api.client.get("/v1/observations?property=pm25&limit=x&colour=red&start=now")
    assert {each["name"].split(".")[0] for each in response.json()["errors"]} == {
        "property",
        "limit",
        "colour",
        "start",
    }


async def test_the_media_type_is_negotiated(start_api: Any, kafka: str, readings: Readings) -> None:
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:

        async def chosen(accept: str | None) -> tuple[int, str]:
            headers = {"Accept": accept} if accept is not None else {}
            response = await api.client.head(f"/v1/observations?{SPAN}", headers=headers)
            return response.status_code, response.headers["content-type"].partition(";")[0]

        assert await chosen("*/*") == (200, CSV)
        assert await chosen("text/csv; header=present") == (200, CSV)
        assert await chosen(f"{CSV};q=0.5, {PARQUET};q=0.9, application/json") == (200, PARQUET)
        assert await chosen("application/*;q=0.1, application/jsonl;q=0") == (200, ARROW)
        assert (await chosen("application/json"))[0] == 406


async def test_head_has_the_headers_of_get_and_frees_its_place(
    start_api: Any, kafka: str, readings: Readings
) -> None:
    license = "https://creativecommons.org/publicdomain/zero/1.0/"
    options = {"database": readings.city.dsn, "data_license": license}
    async with start_api(kafka, model=readings.city.model, **options) as api:
        for _ in range(10):
            head = await api.client.head(f"/v1/observations?{SPAN}", headers={"Accept": PARQUET})
            assert (head.status_code, head.content) == (200, b"")
        got = await api.client.get(f"/v1/observations?{SPAN}", headers={"Accept": PARQUET})
        assert head.headers["link"] == f'<{license}>; rel="license"'
        for name in ("content-disposition", "vary", "accept-ranges", "content-type"):
            assert head.headers[name] == got.headers[name]
        assert head.headers["content-disposition"] == (
            'attachment; filename="city-observations-20261024T000000Z-20261026T000000Z.parquet"'
        )
        assert "etag" not in got.headers
        metadata = pq.read_schema(io.BytesIO(got.content)).metadata
        location = got.headers["content-location"]
        assert metadata[b"query"].decode() == location
        assert metadata[b"license"].decode() == license
        assert f"knownAt={metadata[b'knownAt'].decode()}" in location
        again = await api.client.get(location, headers={"Accept": PARQUET})
        assert again.content == got.content


async def test_removed_observations_are_not_left_out_in_silence(
    start_api: Any, kafka: str, readings: Readings
) -> None:
    await readings.city.connection.execute(
        "INSERT INTO datastream_retention (datastream_id, raw_from) VALUES (%s, %s)",
        (readings.city.datastream("city.0"), to_datetime(START + DAY)),
    )
    await readings.city.connection.commit()
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        response = await api.client.get(f"/v1/observations?{SPAN}")
        assert response.status_code == 400
        assert format_instant(START + DAY) in response.json()["detail"]
        assert (await api.client.get(f"/v1/observations?{SPAN}&entity=city.1")).status_code == 200


async def test_a_download_that_fails_has_no_end(
    start_api: Any, kafka: str, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads it knows that it is not whole, and goes on from its last cursor."""
    for module in (bulk_observations, observation_columns):
        monkeypatch.setattr(module, "COLUMN_ROWS_MAX", 100)
    read = observation_columns.read_observation_columns
    calls = 0

    async def fail_at_the_fourth(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise QueryError("the answer took longer than 30 s")
        return await read(*arguments)

    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        whole = await download(api)
        monkeypatch.setattr(bulk_observations, "read_observation_columns", fail_at_the_fourth)
        reader, writer = await asyncio.open_connection("127.0.0.1", api.context.settings.port)
        writer.write(
            f"GET /v1/observations?{SPAN} HTTP/1.1\r\nHost: x\r\nAccept: {JSON_LINES}\r\n\r\n".encode()
        )
        received = bytearray()
        with suppress(ConnectionError):
            async with asyncio.timeout(DEADLINE_S):
                while data := await reader.read(65_536):
                    received += data
        writer.close()
        assert not received.endswith(b"0\r\n\r\n")
        assert api.context.metrics.readers_cut_off.labels("failure")._value.get() == 1
        assert api.context.download_slots.downloads == 0
        monkeypatch.setattr(bulk_observations, "read_observation_columns", read)
        cursor = bytes(received).rpartition(b'"cursor":"')[2].partition(b'"')[0].decode()
        rest = await download(api, f"cursor={cursor}")
        assert 0 < len(rest) < OPEN_ROWS
        assert without(rest, "cursor") == without(whole[-len(rest) :], "cursor")


async def test_a_client_has_two_downloads_at_one_time(start_api: Any, kafka: str, readings: Readings) -> None:
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        (client,) = {"address 127.0.0.1"}
        give_back = [api.context.download_slots.take(client) for _ in range(2)]
        refused = await api.client.get(f"/v1/observations?{SPAN}")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        give_back.pop()()
        assert len(await download(api)) == OPEN_ROWS
        others = [api.context.download_slots.take(f"client {number}") for number in range(7)]
        assert (await api.client.get(f"/v1/observations?{SPAN}")).status_code == 503
        for each in (*give_back, *others):
            each()
        assert api.context.download_slots.downloads == 0


async def test_a_client_that_does_not_read_costs_one_part_and_is_cut_off(
    start_api: Any, kafka: str, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not read is not read from the database either; others have their downloads meanwhile."""
    for module in (bulk_observations, observation_columns):
        monkeypatch.setattr(module, "COLUMN_ROWS_MAX", 20)
    monkeypatch.setattr(BoundedHttpProtocol, "connection_made", with_small_buffer)
    read = observation_columns.read_observation_columns
    reads = 0

    async def count(*arguments: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read(*arguments)

    options = {"database": readings.city.dsn, "write_timeout_s": 2.0}
    async with start_api(kafka, model=readings.city.model, **options) as api:
        whole = await download(api)
        monkeypatch.setattr(bulk_observations, "read_observation_columns", count)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", api.context.settings.port))
            request = f"GET /v1/observations?{SPAN} HTTP/1.1\r\nHost: x\r\nAccept: {JSON_LINES}\r\n\r\n"
            await loop.sock_sendall(client, request.encode())
            cut_off = api.context.metrics.readers_cut_off.labels("timeout")
            async with asyncio.timeout(DEADLINE_S):
                while not cut_off._value.get() or api.context.download_slots.downloads:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        assert reads < OPEN_ROWS / 20 / 2
        assert without(await download(api), "cursor") == without(whole, "cursor")


async def test_a_download_that_takes_too_long_is_cut_off(
    start_api: Any, kafka: str, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_download, "DOWNLOAD_S_MAX", 0.0)
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        with pytest.raises(httpx.RemoteProtocolError):
            await api.client.get(f"/v1/observations?{SPAN}")
        assert api.context.metrics.readers_cut_off.labels("timeout")._value.get() == 1
        assert api.context.download_slots.downloads == 0


async def test_a_download_ends_when_its_key_is_revoked(
    start_api: Any, kafka: str, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (bulk_observations, observation_columns):
        monkeypatch.setattr(module, "COLUMN_ROWS_MAX", 100)
    key = await metering_key(readings)
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        monkeypatch.setattr(api.context.authenticator, "principal_of", revoked_at_the_third_check())
        with pytest.raises(httpx.RemoteProtocolError):
            await download(api, Authorization=key)
        assert api.context.metrics.readers_cut_off.labels("failure")._value.get() == 1


def revoked_at_the_third_check() -> Any:
    checks = 0

    async def principal_of(_: str) -> Principal:
        nonlocal checks
        checks += 1
        if checks == 3:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "The API key was revoked.")
        return Principal("research", "metering")

    return principal_of
