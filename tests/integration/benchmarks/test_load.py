"""The load generator against the real broker: a subscriber receives exactly what it reports as sent."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.load_generator import FLAT_OUT, LoadOptions, LoadResult, generate_load
from benchmarks.measure.worker_process import WorkerProcess
from tests.support.brokers.mqtt_subscriber import ReceivedMessage, TopicSubscriber, follow_topics
from tests.support.waiting import wait_until
from twin.instant import parse_instant

CITY = BenchCity(datastreams=80)
MESSAGES = 3_001
ANSWER_S = 60.0


def send(broker: tuple[str, int], rate: float) -> LoadResult:
    host, port = broker
    options = LoadOptions(
        traffic=CITY.traffic, host=host, port=port, rate=rate, messages=MESSAGES, connections=4
    )
    companion = WorkerProcess("load generator", generate_load, options)
    try:
        companion.answer(ANSWER_S)
        companion.send("go")
        sent: LoadResult = companion.answer(ANSWER_S)
    finally:
        companion.end()
    return sent


def received(watcher: TopicSubscriber) -> dict[tuple[str, int], float]:
    def sample(message: ReceivedMessage) -> tuple[tuple[str, int], float]:
        (value,) = message.content["values"].values()
        return (message.topic, parse_instant(message.content["time"])), value

    return dict(map(sample, watcher.messages))


@pytest.mark.embedded
@pytest.mark.parametrize("rate", [FLAT_OUT, 20_000], ids=["flat out", "paced"])
async def test_every_message_is_received_once_with_its_instant_and_value(
    mqtt: tuple[str, int], rate: float
) -> None:
    def run() -> tuple[LoadResult, TopicSubscriber]:
        with follow_topics(mqtt, "livetwin/#") as watcher:
            sent = send(mqtt, rate)
            wait_until(lambda: len(watcher.messages) >= MESSAGES, lambda: f"{len(watcher.messages)} came")
            return sent, watcher

    sent, watcher = await asyncio.to_thread(run)
    traffic = CITY.traffic
    assert sent.acknowledged.all()
    assert sent.without_subscriber == 0
    assert len(watcher.messages) == MESSAGES
    assert received(watcher) == {
        (
            f"livetwin/bench/{traffic.sensor_name(traffic.sensor_of(number))}/observations",
            int(instant),
        ): traffic.value_of(number)
        for number, instant in enumerate(sent.published)
    }


@pytest.mark.embedded
async def test_a_message_without_a_subscriber_is_counted(mqtt: tuple[str, int]) -> None:
    sent = await asyncio.to_thread(send, mqtt, FLAT_OUT)
    assert sent.acknowledged.all()
    assert sent.without_subscriber == MESSAGES
