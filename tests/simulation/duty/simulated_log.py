"""A simulated Kafka for leases: links that are cut or deaf, answers that are late, and a log that is lost.

`simulated_kafka` puts it in the place of aiokafka below `runtime.lease`, which runs as it is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any, Literal, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError

from runtime.lease import lease_log
from twin.errors import ServiceError

Link = Literal["up", "cut", "deaf"]
"""Whether requests arrive, and their answers: with "deaf" only the requests do."""

UNDER_WAY_S_MAX = 5.0
"""How long a producer tries to deliver a record; it may arrive as late."""

RETRY_S = 0.1

At = Callable[[float, Callable[[], None]], None]
"""Calls a function after some seconds of virtual time, whatever becomes of the process."""


class Fetched(NamedTuple):
    """A record as a consumer returns it."""

    offset: int
    value: bytes


class SimulatedLog:
    """The broker: one log at a time, with the topics that were created on it."""

    def __init__(self, at: At) -> None:
        self.at = at
        self.id = "log-1"
        self.is_up = True
        self.topics: dict[str, list[bytes]] = {}
        self.has_records: list[Callable[[], None]] = []

    def lose(self) -> None:
        """Begin another log, which is empty."""
        self.id = f"log-{int(self.id[4:]) + 1}"
        self.topics = {}

    def append(self, topic: str, value: bytes) -> bool:
        """Append a record; return False where the topic does not exist."""
        if topic not in self.topics:
            return False
        self.topics[topic].append(value)
        for wake in self.has_records:
            wake()
        return True


class Client:
    """A process's access to the log."""

    def __init__(self, log: SimulatedLog, loop: asyncio.AbstractEventLoop, seed: str) -> None:
        self.log = log
        self.loop = loop
        self.link: Link = "up"
        self.is_dead = False
        self._dice: defaultdict[str, Random] = defaultdict(lambda: Random(f"{seed}/{len(self._dice)}"))

    def hears(self) -> bool:
        return self.link == "up" and self.log.is_up

    def reaches(self) -> bool:
        return self.link != "cut" and self.log.is_up

    def delay(self, kind: str) -> float:
        """Return how long a request of a kind takes, in seconds."""
        dice = self._dice[kind]
        return dice.choice((0.002, 0.005, 0.02, 0.02, 0.4))

    async def answer(self, kind: str, timeout_s: float) -> None:
        """Return when the broker has answered; raise ServiceError otherwise."""
        await asyncio.sleep(self.delay(kind))
        if not self.hears():
            await asyncio.sleep(timeout_s)
        if not self.hears():
            raise ServiceError("the simulated log does not answer")


class Consumer:
    """Reads one topic, from wherever the broker is by now."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._offset = 0
        self._place = TopicPartition("", 0)
        self._woken = asyncio.Event()

    async def start(self) -> None:
        await asyncio.sleep(self._client.delay("connect"))
        if not self._client.hears():
            raise KafkaConnectionError("the simulated log does not answer")
        self._client.log.has_records.append(self._wake)

    async def stop(self) -> None:
        if self._wake in self._client.log.has_records:
            self._client.log.has_records.remove(self._wake)

    def assign(self, places: list[TopicPartition]) -> None:
        (self._place,) = places

    def seek(self, _place: TopicPartition, offset: int) -> None:
        self._offset = offset

    async def position(self, _place: TopicPartition) -> int:
        return self._offset

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, list[Fetched]]:
        self._woken.clear()
        if not self._has_more():
            try:
                async with asyncio.timeout(timeout_ms / 1000):
                    await self._woken.wait()
            except TimeoutError:
                return {}
        await asyncio.sleep(self._client.delay("fetch"))
        if not self._client.hears():
            return {}
        records = self._client.log.topics.get(self._place.topic, [])
        if self._offset > len(records):
            raise OffsetOutOfRangeError({self._place: self._offset})
        found = [Fetched(offset, value) for offset, value in enumerate(records)][self._offset :]
        self._offset = len(records)
        return {self._place: found}

    def _has_more(self) -> bool:
        records = self._client.log.topics.get(self._place.topic, [])
        return self._client.hears() and self._offset != len(records)

    def _wake(self) -> None:
        if not self._client.is_dead:
            self._client.loop.call_soon(self._woken.set)


class Producer:
    """Sends records; what it has sent may arrive although nobody hears of it."""

    def __init__(self, *, client: Client, **_options: object) -> None:
        self._client = client

    async def start(self) -> None:
        await asyncio.sleep(self._client.delay("connect"))
        if not self._client.hears():
            raise KafkaConnectionError("the simulated log does not answer")

    async def stop(self) -> None:
        return

    async def send_and_wait(self, topic: str, value: bytes, partition: int) -> None:
        assert partition == 0
        client = self._client
        confirmed = client.loop.create_future()

        def arrive(tried_s: float) -> None:
            if client.reaches() and client.log.append(topic, value) and client.hears():
                client.log.at(client.delay("answer"), confirm)
            elif tried_s < UNDER_WAY_S_MAX and not client.is_dead:
                # Without an answer it is sent again, also if it has arrived.
                client.log.at(RETRY_S, partial(arrive, tried_s + RETRY_S))

        def confirm() -> None:
            if client.hears() and not client.is_dead:
                client.loop.call_soon(_set, confirmed)

        client.log.at(client.delay("send"), partial(arrive, 0.0))
        await confirmed


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _log_identity(client: Client, timeout_s: float) -> str:
    await client.answer("identity", timeout_s)
    return client.log.id


async def _create_topics(client: Client, topics: dict[str, int]) -> None:
    await client.answer("create", lease_log.KAFKA_TIMEOUT_S)
    for topic in topics:
        client.log.topics.setdefault(topic, [])


async def _end_offsets(client: Client, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    await client.answer("end", lease_log.KAFKA_TIMEOUT_S)
    return {one: len(client.log.topics.get(one.topic, [])) for one in places}


async def _first_offsets(_consumer: Consumer, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    return dict.fromkeys(places, 0)


def _client_options(client: Client) -> dict[str, Any]:
    return {"client": client}


def _new_consumer(client: Client, **_options: object) -> Consumer:
    return Consumer(client)


@contextmanager
def simulated_kafka() -> Iterator[None]:
    """Let leases use clients of a simulated log, which they get as their Kafka."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease_log, "log_identity", _log_identity)
        patch.setattr(lease_log, "create_topics", _create_topics)
        patch.setattr(lease_log, "end_offsets", _end_offsets)
        patch.setattr(lease_log, "first_offsets", _first_offsets)
        patch.setattr(lease_log, "client_options", _client_options)
        patch.setattr(lease_log, "new_consumer", _new_consumer)
        patch.setattr(lease_log, "AIOKafkaProducer", Producer)
        yield
