"""The WebSocket of a running api: the events of the stream, several subscriptions, limits, keys."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest

from api.live.live_socket import SUBSCRIPTIONS_MAX
from storage.database import connect
from storage.model.model_store import apply_plan, load_model
from storage.stores.tokens import create_token, revoke_token
from tests.support.cities.city_builder import plan_of
from tests.support.receivers.live_socket_reader import LiveSocketReader, live_socket, refusal

DEADLINE_S = 20.0
REVOKED_S_MAX = 2.0


def base(api: Any) -> str:
    return str(api.client.base_url).rstrip("/")


async def nobody_follows(api: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while api.context.hub.fan_out.groups:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


async def test_its_events_are_those_of_the_stream(api: Any, log: Any) -> None:
    await log.write_updates("city.1", "city.2")
    await api.shows(2)
    async with live_socket(base(api)) as socket, api.follow() as stream:
        await socket.subscribe()
        # Cursors of snapshots have the time at which they were made.
        snapshots = await socket.snapshot(), await stream.snapshot()
        assert [event[1:] for event in snapshots[0]] == [event[1:] for event in snapshots[1]]
        await log.write([log.update("city.1") for _ in range(300)])
        for _ in range(300):
            assert await socket.event() == await stream.next()


async def test_a_subscription_has_heartbeats_of_its_own(api: Any) -> None:
    async with live_socket(base(api)) as socket:
        await socket.subscribe("a")
        await socket.snapshot("a")
        await socket.send("subscribe", subscription="b", heartbeat="PT1S")
        await socket.snapshot("b")
        _, name, data = await socket.event("b")
    assert name == "heartbeat"
    assert data["time"] >= (data["caughtUpTime"] or "")


async def test_a_subscription_resumes_at_any_event(api: Any, log: Any) -> None:
    async with live_socket(base(api)) as socket:
        await socket.subscribe()
        await socket.snapshot()
        await log.write([log.update("city.1"), log.update("city.1")])
        await log.write_updates("city.2", "city.3")
        received = [await socket.event() for _ in range(4)]
        for number, (cursor, _, _) in enumerate(received[:-1]):
            name = f"b{number}"
            await socket.subscribe(name, cursor)
            missed = [await socket.event(name) for _ in range(3 - number)]
            assert [event[1:] for event in missed] == [event[1:] for event in received[number + 1 :]]


async def test_the_filter_of_a_subscription_changes_and_others_go_on(api: Any, log: Any) -> None:
    async with live_socket(base(api)) as socket:
        await socket.subscribe("a", entity=["city.1"])
        await socket.subscribe("b", entity=["city.2"])
        await socket.snapshot("a")
        await socket.snapshot("b")
        await log.write_updates("city.1", "city.2", "city.3")
        assert (await socket.event("a"))[2]["entityId"] == "city.1"
        assert (await socket.event("b"))[2]["entityId"] == "city.2"
        await api.shows(3)
        await socket.subscribe("a", entity=["city.3"])
        assert [data["entityId"] for _, _, data in await socket.snapshot("a")] == ["city.3"]
        await log.write_updates("city.1", "city.3", "city.2")
        assert (await socket.event("a"))[2]["entityId"] == "city.3"
        assert (await socket.event("b"))[2]["revision"] == 2
        await socket.send("unsubscribe", subscription="a")
        await socket.answer("unsubscribed")
        await log.write_updates("city.3", "city.2")
        assert (await socket.next())["subscription"] == "b"
    await nobody_follows(api)


async def test_a_faulty_message_gets_all_its_faults_and_changes_nothing(api: Any, log: Any) -> None:
    async with live_socket(base(api)) as socket:
        await socket.subscribe(entity=["city.1"])
        await socket.snapshot()
        await socket.send(
            "subscribe",
            subscription="a",
            filter={"property": ["pm25"], "bbox": "1,2", "tpye": "Road"},
            cursor="?",
            more=1,
        )
        message = await socket.next()
        assert (message["type"], message["subscription"]) == ("problem", "a")
        assert message["problem"]["status"] == 400
        assert message["problem"]["instance"] == "/v1/live/ws"
        details = {fault["name"]: fault["detail"] for fault in message["problem"]["errors"]}
        assert set(details) == {"filter.property.0", "filter.bbox", "filter.tpye", "cursor", "more"}
        assert "did you mean pm2_5" in details["filter.property.0"]
        assert "'filter.type'" in details["filter.tpye"]
        for text in ("", "{", "[]", "1", '{"type": 1}', '{"type": "publish"}', "[" * 10_000, '{"type":{}}'):
            await socket.socket.send_str(text)
            assert (await socket.next())["problem"]["status"] == 400
        await socket.send("unsubscribe", subscription="b")
        assert (await socket.next())["problem"]["status"] == 404
        await log.write_updates("city.1")
        assert (await socket.event())[2]["entityId"] == "city.1"


async def test_subscriptions_are_limited_by_connection_and_by_client(start_api: Any, kafka: str) -> None:
    async with start_api(kafka, client_subscribers_max=SUBSCRIPTIONS_MAX + 1) as api:
        async with live_socket(base(api)) as first, live_socket(base(api)) as second:
            for number in range(SUBSCRIPTIONS_MAX):
                await first.subscribe(f"s{number}", events=["state"])
            await first.send("subscribe", subscription="more")
            assert (await first.next())["problem"]["status"] == 429
            await first.subscribe("s0", events=["state"])
            await second.subscribe("s0", events=["state"])
            await second.send("subscribe", subscription="s1")
            refused = await second.next()
            assert (refused["problem"]["status"], refused["retryAfter"]) == (429, 10)
        async with live_socket(base(api)) as third:
            await third.subscribe()
            assert await third.snapshot()


async def test_messages_count_as_requests_of_the_client(start_api: Any, kafka: str) -> None:
    async with (
        start_api(kafka, client_requests_per_s=100, client_requests_burst=40) as api,
        live_socket(base(api)) as socket,
    ):
        for _ in range(20):
            await socket.send("unsubscribe", subscription="a")
        await socket.send("subscribe", subscription="a")
        statuses = [(await socket.next())["problem"]["status"] for _ in range(20)]
        assert set(statuses) == {404, 429}
        while (await socket.next())["type"] == "problem":
            await socket.send("subscribe", subscription="a")


@pytest.mark.parametrize(
    ("message", "code"),
    [(b"\0", 1003), ("x" * 100_000, 1009), (b"ping", 1008)],
    ids=["bytes", "too long", "pings"],
)
async def test_what_is_no_message_closes_the_connection(api: Any, message: str | bytes, code: int) -> None:
    async with live_socket(base(api), autoping=False) as socket:
        await socket.subscribe(events=["state"])
        if message == b"ping":
            for _ in range(600):
                await socket.socket.ping()
        elif isinstance(message, bytes):
            await socket.socket.send_bytes(message)
        else:
            await socket.socket.send_str(message)
        assert await socket.closed() == code


async def test_a_slow_reader_gets_a_gap_and_a_snapshot_and_others_do_not(
    start_api: Any, kafka: str, log: Any
) -> None:
    async with start_api(kafka, subscriber_queue_bytes_max=50_000) as api:  # noqa: SIM117 - in this order
        async with live_socket(base(api)) as slow, live_socket(base(api)) as quick:
            for socket in (slow, quick):
                await socket.subscribe()
                await socket.snapshot()
            connection = slow.socket._response.connection
            assert connection is not None
            reading = connection.transport
            assert reading is not None
            reading.pause_reading()
            total = 0
            for _ in range(150):
                await log.write([log.update("city.1") for _ in range(200)])
                for _ in range(200):
                    _, name, data = await quick.event()
                    total += 1
                    assert (name, data["revision"]) == ("state", total)
            reading.resume_reading()
            _, name, data = await slow.event()
            while name != "gap":
                _, name, data = await slow.event()
            assert data["reason"] == "too-slow"
            assert (await slow.snapshot())[-1][2]["revision"] == total
            await log.write_updates("city.1")
            assert (await slow.event())[2]["revision"] == total + 1


async def test_a_reader_that_never_reads_is_cut_off(start_api: Any, kafka: str, log: Any) -> None:
    async with (
        start_api(kafka, write_timeout_s=0.2) as api,
        live_socket(base(api), autoping=False) as socket,
    ):
        await socket.subscribe()
        await socket.snapshot()
        connection = socket.socket._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()
        cut_off = api.context.metrics.readers_cut_off.labels("timeout")
        async with asyncio.timeout(DEADLINE_S):
            while not cut_off._value.get():
                await log.write([log.update("city.1") for _ in range(200)])
                # Pings are not answered meanwhile: the answers would wait, too.
                await socket.socket.ping(b"x" * 100)
        await nobody_follows(api)
        connection.transport.abort()


async def test_a_stopped_server_says_so(start_api: Any, kafka: str) -> None:
    async with start_api(kafka) as api, live_socket(base(api)) as socket:
        await socket.subscribe()
        await socket.snapshot()
        api.context.event_streams.close()
        assert await socket.closed() == 1012


async def test_an_idle_subscription_gets_keepalives(api: Any) -> None:
    api.context.event_streams.keepalive_s = 0.05
    async with live_socket(base(api)) as socket:
        await socket.subscribe(events=["state"])
        assert await socket.next() == {"type": "keepalive", "subscription": "a"}


async def test_a_handshake_with_faults_is_a_problem(api: Any) -> None:
    server = base(api)
    assert (await refusal(server, "/v1/live/ws?access_token=x"))[0] == 400
    assert (await refusal(server, headers={"Origin": "https://a.example/path"}))[0] == 403
    assert (await refusal(server, headers={"Authorization": "Bearer wrong"}))[0] == 401
    assert (await refusal(server, protocols=("livetwin.bearer.!",)))[0] == 401
    status, headers = await refusal(server, headers={"Authorization": "Basic x"})
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Content-Type-Options"] == "nosniff"
    # Other paths are not upgraded.
    assert (await refusal(server, "/v1/entities"))[0] == 200
    async with httpx.AsyncClient(base_url=server) as client:
        plain = await client.get("/v1/live/ws")
        assert (plain.status_code, plain.headers["upgrade"]) == (426, "websocket")
        await refuse_handshakes(client)


async def refuse_handshakes(client: httpx.AsyncClient) -> None:
    version = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "8"}
    old = await client.get("/v1/live/ws", headers=version)
    assert (old.status_code, old.headers["sec-websocket-version"]) == (426, "13")
    version |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "short"}
    faulty = await client.get("/v1/live/ws", headers=version)
    assert faulty.status_code == 400
    assert [fault["name"] for fault in faulty.json()["errors"]] == ["Sec-WebSocket-Key"]


async def test_only_listed_origins_may_connect(start_api: Any, kafka: str) -> None:
    async with start_api(kafka, websocket_origins="https://map.example, https://b.example") as api:
        assert (await refusal(base(api), headers={"Origin": "https://a.example"}))[0] == 403
        for headers in ({"Origin": "https://MAP.example"}, {}):
            async with live_socket(base(api), headers=headers) as socket:
                await socket.subscribe()


def offered(key: str) -> str:
    return "livetwin.bearer." + base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


async def test_a_connection_counts_for_its_key_and_ends_when_that_is_revoked(
    start_api: Any, kafka: str, database: str, model: Any
) -> None:
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan_of(model))
        city = await load_model(connection, "city")
        keys = {name: await create_token(connection, name, "viewer") for name in ("kept", "revoked")}

    async def opened(socket: LiveSocketReader) -> LiveSocketReader:
        await socket.subscribe()
        await socket.snapshot()
        return socket

    async with (
        start_api(kafka, model=city, database=database) as api,
        live_socket(base(api), protocols=("livetwin.v1", offered(keys["revoked"]))) as in_protocol,
        live_socket(base(api), headers={"Authorization": f"Bearer {keys['revoked']}"}) as in_header,
        live_socket(base(api), protocols=(offered(keys["kept"]), "livetwin.v1")) as kept,
        api.client.stream(
            "GET", "/v1/live", headers={"Authorization": f"Bearer {keys['revoked']}"}
        ) as stream,
    ):
        assert in_protocol.socket.protocol == "livetwin.v1"
        for socket in (in_protocol, in_header, kept):
            await opened(socket)
        async with await connect(database, role="test") as connection:
            await revoke_token(connection, "revoked")
        async with asyncio.timeout(REVOKED_S_MAX):
            assert [await in_protocol.closed(), await in_header.closed()] == [3000, 3000]
            await stream.aread()
        await opened(kept)
        assert (await refusal(base(api), protocols=(offered(keys["revoked"]),)))[0] == 401
