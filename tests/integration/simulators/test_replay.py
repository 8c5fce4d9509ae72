"""Replay against a real Mosquitto: all messages arrive, in order, with the recorded times."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.embedded.ports import free_port
from ingest.mqtt.message import MqttMessage
from ingest.mqtt.session import MqttSession, MqttSessionOptions
from runtime.clock import system_clock
from runtime.mqtt.access import MqttAccess
from simulators.replay import sample_recordings
from simulators.replay.player import Playing, play
from simulators.replay.recorded_data import ReadOptions
from simulators.replay.recording import Recording, ReplayMessage, build_recording, read_files
from simulators.settings import SimulatorSettings
from twin.errors import ServiceError
from twin.instant import MINUTE, SECOND, format_instant, parse_instant

TIMEOUT_S = 60.0
HISTORY = Playing(started=1_000)
YEARS_AGO = parse_instant("2017-10-29T00:00:00Z")


@asynccontextmanager
async def ingesting(port: int, *, accept_replay: bool) -> AsyncIterator[MqttSession]:
    options = MqttSessionOptions(
        broker=MqttAccess(host="127.0.0.1", port=port),
        client_id="ingest-0",
        keepalive_s=10,
        session_expiry_s=3_600,
        receive_max=1_000,
        buffer_bytes_max=10_000_000,
        shared_subscription="",
        accept_replay=accept_replay,
    )
    session = MqttSession(options, ["livetwin/+/+/observations"], system_clock)
    async with asyncio.timeout(TIMEOUT_S):
        await session.open()
        try:
            yield session
        finally:
            await session.close()


async def received(session: MqttSession, count: int) -> list[MqttMessage]:
    found: list[MqttMessage] = []
    while len(found) < count:
        batch = await session.next_batch(1_000)
        session.acknowledge(batch)
        found += batch
    return found


def recorded(folder: Path) -> Recording:
    path = folder / "water.xml"
    path.write_text(sample_recordings.water_level(1, start="2017-10-20", days=24).text)
    contents = read_files([path], ReadOptions(sensor="wl-1", field="level"))
    return build_recording(contents, city="alkmaar")


def messages(count: int, every: int) -> list[ReplayMessage]:
    times = [YEARS_AGO + n * every for n in range(count)]
    topic = "livetwin/alkmaar/wl-1/observations"
    return [ReplayMessage(time, topic, b"%d" % time, "wl-1") for time in times]


async def test_a_recording_arrives_complete_in_order_with_its_own_times(
    mqtt: tuple[str, int], tmp_path: Path
) -> None:
    recording = recorded(tmp_path)
    settings = SimulatorSettings(mqtt_port=mqtt[1])
    async with ingesting(mqtt[1], accept_replay=True) as session:
        summary = await play(recording.messages, settings, playing=HISTORY, speed=None, on_progress=print)
        found = await received(session, len(recording.messages))
    assert [one.payload for one in found] == [one.payload for one in recording.messages]
    assert [one.received_time for one in found] == [one.time for one in recording.messages]
    assert [one.rank for one in found] == list(range(1_001, 1_001 + len(found)))
    assert json.loads(found[0].payload)["values"].keys() == {"level"}
    assert f"{len(found)} messages sent and acknowledged, from 2017-10-20T00:00:00Z" in summary
    assert "no subscriber" not in summary


async def test_ingest_that_accepts_no_replay_receives_it_now(mqtt: tuple[str, int]) -> None:
    started = system_clock()
    async with ingesting(mqtt[1], accept_replay=False) as session:
        await play(
            messages(3, MINUTE),
            SimulatorSettings(mqtt_port=mqtt[1]),
            playing=HISTORY,
            speed=None,
            on_progress=print,
        )
        found = await received(session, 3)
    assert all(one.received_time >= started for one in found)


async def test_a_correction_is_received_now_in_its_order(mqtt: tuple[str, int]) -> None:
    started = system_clock()
    playing = Playing(started=started, correction=True, any_age=True)
    async with ingesting(mqtt[1], accept_replay=True) as session:
        settings = SimulatorSettings(mqtt_port=mqtt[1])
        summary = await play(messages(50, MINUTE), settings, playing=playing, speed=None, on_progress=print)
        found = await received(session, 50)
    assert f"played as a correction: known since {format_instant(started)}" in summary
    times = [one.received_time for one in found]
    assert started <= times[0]
    assert times == sorted(set(times))
    assert {(one.rank, one.any_age) for one in found} == {(0, True)}


async def test_the_timing_of_the_recording_is_divided_by_the_speed(mqtt: tuple[str, int]) -> None:
    loop = asyncio.get_running_loop()
    arrivals: list[float] = []
    async with ingesting(mqtt[1], accept_replay=True) as session:
        playing = asyncio.create_task(
            play(
                messages(3, 30 * SECOND),
                SimulatorSettings(mqtt_port=mqtt[1]),
                playing=HISTORY,
                speed=100.0,
                on_progress=print,
            )
        )
        for _ in range(3):
            await received(session, 1)
            arrivals.append(loop.time())
        await playing
    assert 0.5 < arrivals[2] - arrivals[0] < 5.0


async def test_a_broker_that_restarts_in_the_middle_gets_the_rest(service_folder: Path) -> None:
    broker = EmbeddedMosquitto(service_folder, free_port())
    await broker.start()
    try:
        settings = SimulatorSettings(mqtt_port=broker.port)
        progress: list[str] = []
        async with ingesting(broker.port, accept_replay=True) as session:
            # Only now: what is published before anybody has subscribed is nobody's.
            playing = asyncio.create_task(
                play(
                    messages(200, SECOND // 100),
                    settings,
                    playing=HISTORY,
                    speed=1.0,
                    on_progress=progress.append,
                )
            )
            found = {one.payload for one in await received(session, 50)}
            await broker.stop()
            await broker.start()
            while len(found) < 200:
                found |= {one.payload for one in await received(session, 1)}
        assert "200 messages sent and acknowledged" in await playing
    finally:
        await broker.stop()


async def test_the_summary_counts_messages_without_a_subscriber(mqtt: tuple[str, int]) -> None:
    summary = await play(
        messages(2, MINUTE),
        SimulatorSettings(mqtt_port=mqtt[1]),
        playing=HISTORY,
        speed=None,
        on_progress=print,
    )
    assert "2 of them had no subscriber: is ingest running?" in summary


async def test_an_unreachable_broker_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ServiceError, match="no MQTT broker answers at"):
        await play(
            messages(1, MINUTE),
            SimulatorSettings(mqtt_port=free_port()),
            playing=HISTORY,
            speed=None,
            on_progress=print,
            connect_timeout_s=0.1,
        )
