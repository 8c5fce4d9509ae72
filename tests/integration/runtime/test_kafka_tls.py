"""Kafka over TLS accepts the right authority, host name, certificate and password only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from ingest.pipeline.publisher import new_producer
from runtime.kafka.access import KafkaAccess
from runtime.kafka.consumer import end_offsets, log_identity, new_consumer
from runtime.kafka.topics import create_topics
from runtime.settings import RoleSettings
from tests.support.brokers.certificate_authority import CertificateAuthority
from tests.support.brokers.secure_kafka import secure_kafka
from twin.errors import ServiceError

PASSWORDS = {"livetwin-ingest": "s3cret"}
PARTITION = TopicPartition("observations", 0)


@pytest.fixture
def authority(service_folder: Path) -> CertificateAuthority:
    return CertificateAuthority(service_folder)


def access(
    bootstrap: str, authority: CertificateAuthority, protocol: str = "SSL", **settings: Any
) -> KafkaAccess:
    found = {
        "kafka": bootstrap,
        "kafka_protocol": protocol,
        "kafka_ca": authority.certificate_file,
        **settings,
    }
    return RoleSettings.model_validate(found).kafka_access()


async def write_and_read(kafka: KafkaAccess) -> None:
    await create_topics(kafka, {PARTITION.topic: 1})
    producer = new_producer(kafka)
    await producer.start()
    await producer.send_and_wait(PARTITION.topic, b"one", partition=0)
    await producer.stop()
    assert await end_offsets(kafka, [PARTITION]) == {PARTITION: 1}
    consumer = new_consumer(kafka)
    await consumer.start()
    consumer.assign([PARTITION])
    consumer.seek(PARTITION, 0)
    record = await consumer.getone()
    await consumer.stop()
    assert record.value == b"one"


async def refused(kafka: KafkaAccess) -> str:
    """Return the error of a Kafka that cannot be used."""
    with pytest.raises(ServiceError) as caught:
        await log_identity(kafka, timeout_s=0)
    return str(caught.value)


async def test_records_are_written_and_read_over_tls(
    service_folder: Path, authority: CertificateAuthority
) -> None:
    async with secure_kafka(service_folder, authority.issue("kafka", "localhost", "127.0.0.1")) as kafka:
        await write_and_read(access(kafka.bootstrap, authority))


async def test_a_broker_of_another_authority_is_refused(
    service_folder: Path, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = CertificateAuthority(service_folder, "stranger")
    async with secure_kafka(service_folder, stranger.issue("kafka", "localhost", "127.0.0.1")) as kafka:
        await refused(access(kafka.bootstrap, authority))
        assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
        # The authorities of the system do not know it either.
        await refused(access(kafka.bootstrap, authority, kafka_ca=None))


async def test_a_broker_with_another_name_is_refused(
    service_folder: Path, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    async with secure_kafka(service_folder, authority.issue("kafka", "kafka.example")) as kafka:
        await refused(access(kafka.bootstrap, authority))
        assert "Hostname mismatch" in caplog.text


async def test_connections_without_tls_are_refused(
    service_folder: Path, authority: CertificateAuthority
) -> None:
    async with secure_kafka(service_folder, authority.issue("kafka", "localhost")) as kafka:
        assert kafka.bootstrap in await refused(KafkaAccess(servers=kafka.bootstrap))


async def test_a_broker_that_requires_a_certificate_gets_ours(
    service_folder: Path, authority: CertificateAuthority
) -> None:
    server, client = authority.issue("kafka", "localhost", "127.0.0.1"), authority.issue("ingest")
    async with secure_kafka(service_folder, server, client_authority=authority.certificate_file) as kafka:
        await refused(access(kafka.bootstrap, authority))
        files: dict[str, Any] = {"kafka_cert": client.certificate, "kafka_key": client.key}
        await write_and_read(access(kafka.bootstrap, authority, **files))


async def test_the_right_password_is_accepted_and_a_wrong_one_refused(
    service_folder: Path, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    server = authority.issue("kafka", "localhost", "127.0.0.1")
    account = {"kafka_username": "livetwin-ingest", "kafka_password": "s3cret"}
    async with secure_kafka(service_folder, server, passwords=PASSWORDS) as kafka:
        await write_and_read(access(kafka.bootstrap, authority, "SASL_SSL", **account))
        assert set(kafka.authenticated) == {"livetwin-ingest"}
        count = len(kafka.authenticated)
        wrong = {**account, "kafka_password": "wr0ng"}
        error_text = await refused(access(kafka.bootstrap, authority, "SASL_SSL", **wrong))
        await refused(access(kafka.bootstrap, authority))
        assert len(kafka.authenticated) == count
        assert "wr0ng" not in error_text + caplog.text
