"""Every answer is bounded, and clients that do not read cost neither memory nor others their answers."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from api.http.limits.bounded_protocol import BoundedHttpProtocol
from api.http.responses import PAGE_BYTES_MAX
from runtime.kafka import topics
from runtime.signing_key import create_key_file
from storage.database import connect
from storage.stores.tokens import create_token
from tests.integration.api.stored_city import StoredCity, store_records
from tests.support.http.documented_answers import served_paths
from tests.support.payloads.alarm_events import alarm_event, alarm_record
from twin.instant import MINUTE, SECOND, format_instant, parse_instant, to_datetime

START = parse_instant("2026-11-23T12:00:00Z")
END = START + 8 * 60 * MINUTE
DEADLINE_S = 60.0
OPERATOR = {"Authorization": "Bearer sesame"}

# A page may have one item more than its bound holds, and members beside its items; a list of 10,000 readings,
# or buckets, has some 200 bytes each.
ANSWER_BYTES_EXPECTED_MAX = 3 * PAGE_BYTES_MAX

QUARANTINED = 1_000
FILL = {
    # 40 MB of payloads.
    f"""
    INSERT INTO quarantine (id, feed, topic, received_time, reason, detail, payload, payload_bytes,
        payload_sha256, session, device)
    SELECT 'id' || n, 'native', 'a/' || repeat('x', 2000) || n, %(start)s, 'unknown-sensor',
        repeat('w', 1000), convert_to(repeat('\"', 40000), 'UTF8'), 40000, repeat('a', 64), 'run', 'new-' || n
    FROM generate_series(1, {QUARANTINED}) AS n
    """,
    """
    INSERT INTO push_subscription (contact, endpoint, p256dh, auth, device, made_by, made_at, expires_at)
    SELECT 'water', 'https://push.example.com/' || n, '', '', repeat('d', 100), repeat('m', 100), %(start)s,
        now() + interval '90 days'
    FROM generate_series(1, 500) AS n
    """,
    """
    INSERT INTO ledger (feed, minute, received, accepted)
    SELECT 'feed-' || n %% 100, %(start)s + n / 100 * interval '1 minute', 1, 1
    FROM generate_series(0, 9999) AS n
    """,
    """
    INSERT INTO observation (datastream_id, phenomenon_time, received_time, value, flags)
    SELECT %(datastream)s, %(start)s + n * interval '1 second', %(start)s + n * interval '1 second',
        11.25 + n, 0
    FROM generate_series(0, 19999) AS n
    """,
    """
    INSERT INTO audit_record (
        time, principal, role, operation, target, status, households, contacts, trace_id, span_id
    )
    SELECT %(start)s + n * interval '1 second', 'k', 'metering', 'getState', repeat('x', 2000), 200,
        ARRAY['city.0'], '{}', decode(repeat('00', 16), 'hex'), decode(repeat('00', 8), 'hex')
    FROM generate_series(0, 999) AS n
    """,
}

SPAN = f"start={format_instant(START)}&end={format_instant(END)}"
# Where the answer depends on the query: the longest one.
QUERIES = {
    "/v1/alarms/_statistics": SPAN,
    # A dossier has a limit of its own; a file may be longer than a page.
    "/v1/alarms/{id}/dossier": "occurrence=1000",
    "/v1/alarms/{id}/episodes": SPAN,
    "/v1/datastreams/{id}/observations": f"{SPAN}&limit=10000",
    "/v1/duty/roster": SPAN,
    "/v1/entities/{id}/history": (
        f"property=pm2_5&{SPAN}&interval=PT10S&aggregate=mean,min,max,sum,first,last"
    ),
    "/v1/entities/{id}/provenance": f"property=pm2_5&{SPAN}",
    "/v1/insights/correlations": f"x=city.0:pm2_5&y=city.1:pm2_5&{SPAN}",
    "/v1/ledger": f"{SPAN}&limit=10000",
    "/v1/unassigned-devices": "limit=500",
}
PAGED = (
    "entities",
    "datastreams",
    "sensors",
    "properties",
    "alarms",
    "rules",
    "incidents",
    "notifications",
    "quarantine",
    "audit-records",
)
IDS = {
    "alarms": "rule-1~city.0",
    "datastreams": "{datastream}",
    "entities": "city.0",
    "incidents": "rule-1~city~1",
    "properties": "pm2_5",
    "quarantine": "id1",
    "rules": "rule-1",
    "sensors": "s-city.0",
    "subscriptions": "s1",
}


@pytest_asyncio.fixture
async def full(stored: StoredCity) -> StoredCity:
    """A database with full tables."""
    parameters = {"start": to_datetime(START), "datastream": stored.datastream("city.0")}
    for statement in FILL:
        await stored.connection.execute(statement, parameters)
    await stored.connection.commit()
    alarms = [
        alarm_event(f"rule-{number}", "city.0", sentence_en="long " * 400, time=START + number * SECOND)
        for number in range(1_000)
    ]
    await store_records(stored, (topics.ALARMS, 0, alarm_record(*alarms)))
    return stored


def read_paths(document: dict[str, Any], datastream: int) -> list[str]:
    """Return a request for each route of the description that only reads, with the longest answer."""
    paths = []
    for template, operations in served_paths(document).items():
        if "get" not in operations or template in ("/v1/live", "/v1/openapi.json"):
            continue
        path = template
        kind = template.split("/")[2] if template.startswith("/v1/") else ""
        for name in ("{id}", "{name}", "{event_id}", "{contact}", "{token}"):
            path = path.replace(name, IDS.get(kind, "x").format(datastream=datastream))
        query = QUERIES.get(template, "limit=1000" if template.removeprefix("/v1/") in PAGED else "")
        paths.append(f"{path}?{query}")
    return paths


async def test_the_answer_of_every_route_is_bounded_with_full_tables(
    start_api: Any, kafka: str, full: StoredCity, tmp_path: Path
) -> None:
    create_key_file(tmp_path / "dossier.key")
    options = {"dossier_key": (tmp_path / "dossier.key").read_text(), "database": full.dsn}
    async with await connect(full.dsn, role="test") as connection:
        key = {"Authorization": f"Bearer {await create_token(connection, 'of admin', 'admin')}"}
    async with start_api(kafka, model=full.model, **options) as api:
        document = (await api.client.get("/v1/openapi.json")).json()
        sizes: dict[str, int] = {}
        refused = []
        for path in ("/v1/openapi.json", *read_paths(document, full.datastream("city.0"))):
            target = path.partition("?")[0]
            response = await api.client.get(path, headers=key)
            # Without a key of the installation no dossier is made.
            if response.status_code not in {200, 404} and not target.endswith("/dossier"):
                refused.append((path, response.text))
            sizes[path] = len(response.content)
    assert not refused
    assert max(sizes.values()) <= ANSWER_BYTES_EXPECTED_MAX, sizes
    assert sum(size > 100_000 for size in sizes.values()) >= 5, "the tables are not full"


async def test_pages_that_end_early_list_everything_once(
    start_api: Any, kafka: str, full: StoredCity
) -> None:
    async with start_api(kafka, model=full.model, database=full.dsn) as api:
        for path, count in (("/v1/quarantine", QUARANTINED), ("/v1/alarms", 1_000)):
            found: list[str] = []
            url = f"{path}?limit=1000"
            while url:
                response = await api.client.get(url, headers=OPERATOR)
                page = response.json()
                assert len(response.content) <= 1.1 * PAGE_BYTES_MAX
                found += [item["id"] for item in page["items"]]
                url = page["_links"].get("next", {}).get("href", "")
            assert len(found) == len(set(found)) == count, path


async def send_without_reading(stack: AsyncExitStack, api: Any, request: bytes) -> asyncio.Task[None]:
    """Repeat a request on a connection whose client never reads, until it is closed."""
    url = api.client.base_url
    loop = asyncio.get_running_loop()
    client = stack.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    await loop.sock_connect(client, (url.host, url.port))

    async def send() -> None:
        with suppress(ConnectionError):
            while True:
                await loop.sock_sendall(client, request * 200)
                # A pause: one read of the server must not hold more than a head may have.
                await api.client.get("/v1/health/live")

    task = asyncio.create_task(send())
    stack.callback(task.cancel)
    return task


async def reached(condition: Any, shown: Any) -> None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - a metric has no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(shown()) from None


connection_made = BoundedHttpProtocol.connection_made


def with_small_buffer(protocol: BoundedHttpProtocol, transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_024)
    connection_made(protocol, transport)


async def test_a_client_that_never_reads_is_cut_off_on_every_route(
    start_api: Any, kafka: str, full: StoredCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Answers of a few bytes fill a small buffer soon.
    monkeypatch.setattr(BoundedHttpProtocol, "connection_made", with_small_buffer)
    options = {"write_timeout_s": 0.2, "client_requests_per_s": 0, "database": full.dsn}
    async with start_api(kafka, model=full.model, **options) as api, AsyncExitStack() as stack:
        document = (await api.client.get("/v1/openapi.json")).json()
        paths = ["/v1/openapi.json", "/v1/live", *read_paths(document, full.datastream("city.0"))]
        cut_off = api.context.metrics.readers_cut_off.labels("timeout")
        for done, path in enumerate(paths, 1):
            # Not the longest answers, which take the longest to compute, but many.
            target = path.partition("?")[0]
            request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sesame\r\n\r\n"
            await send_without_reading(stack, api, request.encode())
            await reached(lambda done=done: cut_off._value.get() >= done, lambda path=path: path)
        assert (await api.client.get("/v1/health/live")).status_code == 200
        await reached(lambda: api.context.metrics.waiting_bytes._value.get() == 0, lambda: "bytes wait")


async def test_what_waits_for_slow_readers_is_bounded_over_all_connections(
    start_api: Any, kafka: str, full: StoredCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "connection_made", with_small_buffer)
    options = {"waiting_bytes_max": PAGE_BYTES_MAX, "client_requests_per_s": 0, "database": full.dsn}
    request = (
        b"GET /v1/quarantine?limit=1000 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sesame\r\n\r\n"
    )
    async with start_api(kafka, model=full.model, **options) as api, AsyncExitStack() as stack:
        metrics = api.context.metrics
        for _ in range(12):
            await send_without_reading(stack, api, request)
        cut_off = metrics.readers_cut_off.labels("memory")
        await reached(lambda: cut_off._value.get() >= 6, lambda: f"{cut_off._value.get()} cut off")
        assert metrics.waiting_bytes._value.get() <= PAGE_BYTES_MAX
        assert (await api.client.get("/v1/health/live")).status_code == 200
