"""A consumer stops without an error, also while the broker is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka import TopicPartition

from cli.embedded.kafka import EmbeddedKafka
from runtime.kafka.consumer import new_consumer
from runtime.kafka.topics import create_topics
from tests.support.waiting import until

TOPIC = "some-topic"


@pytest.mark.embedded
async def test_stopping_a_consumer_that_tries_again_does_not_cancel_its_caller(
    service_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = EmbeddedKafka(service_folder)
    await broker.start()
    try:
        await create_topics(broker.bootstrap, {TOPIC: 1})
        consumer = new_consumer(broker.bootstrap)
        await consumer.start()
        place = TopicPartition(TOPIC, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        await consumer.getmany(timeout_ms=10)
    finally:
        await broker.stop()
    # From here on it fails at once each time, and waits a tenth of a second between.
    await until(lambda: "Failed fetch messages" in caplog.text, lambda: caplog.text)
    await consumer.stop()
