"""Kafka as the compose file configures it: each role has an account, and only the rights of its work."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from ingest.pipeline.quarantine_replay import CONSUMER_GROUP
from runtime.kafka.access import KafkaAccess, client_options
from runtime.kafka.accounts import apply_accounts
from runtime.kafka.admin import open_admin_client
from runtime.kafka.consumer import LogConsumer, log_identity, new_consumer
from runtime.kafka.rights import (
    LEASE_TOPICS,
    RIGHTS,
    AccessRule,
    Operation,
    PatternType,
    ResourceType,
    kafka_principal,
)
from runtime.kafka.topics import OBSERVATIONS, UPDATES, partition_counts
from runtime.settings import RoleSettings
from stream.settings import StreamSettings
from tests.support.brokers.apache_kafka import (
    ComposeKafka,
    make_secrets,
    needs_apache_kafka,
    role_settings,
)
from tests.support.processes.cli_call import Ended, call_cli
from tests.support.services.service_folder import make_service_folder
from twin.errors import ServiceError

pytestmark = needs_apache_kafka

TOPICS = sorted({*partition_counts(1), *LEASE_TOPICS})
ROLES = list(RIGHTS)
TOPIC_AUTHORIZATION_FAILED = 29
GROUPS = {CONSUMER_GROUP: "ingest", StreamSettings().group: "stream"}


async def set_up(broker: ComposeKafka) -> Ended:
    """Run the service `topics` of the compose file."""
    folder = broker.secrets / "kafka-roles"
    return await call_cli("topics", "--accounts", str(folder), kafka=broker.local)


@pytest.fixture(scope="module")
def kafka() -> Iterator[ComposeKafka]:
    """Yield a broker with topics and accounts, for all tests of this module."""
    folder = make_service_folder()
    make_secrets(folder / "secrets")
    broker = ComposeKafka(folder / "kafka", folder / "secrets")
    try:
        asyncio.run(broker.start())
        done = asyncio.run(set_up(broker))
        assert done.code == 0, done.err
        yield broker
    finally:
        asyncio.run(broker.stop())
        shutil.rmtree(folder)


def access_of(kafka: ComposeKafka, role: str, **other: str) -> KafkaAccess:
    """Return the access of a role by the settings that the compose file gives it."""
    settings = role_settings(role, kafka.secrets, kafka.roles)
    password = Path(settings.pop("KAFKA_PASSWORD_FILE")).read_text().strip()
    found = {name.lower(): value for name, value in settings.items()}
    return RoleSettings.model_validate({**found, "kafka_password": password, **other}).kafka_access()


@asynccontextmanager
async def running(client: AIOKafkaProducer | LogConsumer) -> AsyncIterator[None]:
    await client.start()
    try:
        yield
    finally:
        await client.stop()


async def writable_topics(access: KafkaAccess) -> set[str]:
    """Return the topics to which an account can write a record."""
    found = set()
    producer = AIOKafkaProducer(**client_options(access))
    async with running(producer):
        for topic in TOPICS:
            try:
                await producer.send_and_wait(topic, b"record", partition=0)
                found.add(topic)
            except TopicAuthorizationFailedError:
                continue
    return found


async def readable_topics(access: KafkaAccess) -> set[str]:
    """Return the topics of which an account can fetch records."""
    found = set()
    for topic in TOPICS:
        consumer = new_consumer(access)
        async with running(consumer):
            place = TopicPartition(topic, 0)
            consumer.assign([place])
            consumer.seek(place, 0)
            try:
                while consumer.highwater(place) is None:
                    await consumer.getmany(timeout_ms=100)
                found.add(topic)
            except TopicAuthorizationFailedError:
                continue
    return found


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_reads_and_writes_the_topics_of_its_work_and_no_others(
    kafka: ComposeKafka, role: str
) -> None:
    access = access_of(kafka, role)
    assert await writable_topics(access) == set(RIGHTS[role].writes)
    assert await readable_topics(access) == set(RIGHTS[role].reads)


def test_only_the_roles_that_measure_and_compute_may_write_what_was_measured() -> None:
    writers = {role for role, rights in RIGHTS.items() if OBSERVATIONS in rights.writes}
    readers = {role for role, rights in RIGHTS.items() if OBSERVATIONS in rights.reads}
    assert (writers, readers) == ({"ingest", "stream", "historian"}, {"stream", "historian"})


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_uses_the_consumer_group_of_its_work_and_no_other(
    kafka: ComposeKafka, role: str
) -> None:
    place = TopicPartition(RIGHTS[role].reads[0], 0)
    usable = set()
    for group in (*GROUPS, "another"):
        consumer = LogConsumer(
            **client_options(access_of(kafka, role)), group_id=group, enable_auto_commit=False
        )
        async with running(consumer):
            consumer.assign([place])
            try:
                await consumer.commit({place: 0})
                usable.add(group)
            except GroupAuthorizationFailedError:
                continue
    assert usable == {group for group, owner in GROUPS.items() if owner == role}


async def created(admin: AIOKafkaAdminClient, topic: str) -> int:
    """Return Kafka's error code for the creation of a topic, 0 for none."""
    response = await admin.create_topics([NewTopic(topic, 1, 1)])
    code: int = response.topic_errors[0][1]
    return code


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_administers_kafka_but_the_stream_makes_topics_with_its_prefix(
    kafka: ComposeKafka, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = access_of(kafka, role)
    async with open_admin_client(access) as admin:
        assert await created(admin, "another") == TOPIC_AUTHORIZATION_FAILED
        own = await created(admin, f"livetwin-stream-{role}-changelog")
        assert (own == 0) == (role == "stream")
        deleted = await admin.delete_topics([OBSERVATIONS])
        assert [code for _, code in deleted.topic_error_codes] == [TOPIC_AUTHORIZATION_FAILED]
    monkeypatch.setattr("runtime.kafka.accounts.ADMINISTER_TIMEOUT_S", 0)
    with pytest.raises(ServiceError, match="ClusterAuthorizationFailed"):
        await apply_accounts(access, {role: "another"})


async def test_without_the_password_of_a_role_nobody_enters(kafka: ComposeKafka) -> None:
    for other in (
        {"kafka_password": "another"},
        {"kafka_username": "livetwin-stream"},
        {"kafka_username": "ANONYMOUS"},
        {"kafka_mechanism": "SCRAM-SHA-256"},
    ):
        with pytest.raises(ServiceError):
            await log_identity(access_of(kafka, "api", **other), timeout_s=0)
    with pytest.raises(ServiceError):
        await log_identity(kafka.roles, timeout_s=0)


async def test_after_a_rotation_the_former_password_is_refused(kafka: ComposeKafka) -> None:
    former = access_of(kafka, "outlets")
    await log_identity(former, timeout_s=0)
    (kafka.secrets / "kafka-roles/outlets").unlink()
    make_secrets(kafka.secrets)
    done = await set_up(kafka)
    assert done.code == 0, done.err
    with pytest.raises(ServiceError):
        await log_identity(former, timeout_s=0)
    await log_identity(access_of(kafka, "outlets"), timeout_s=0)
    password = (kafka.secrets / "kafka-roles/outlets").read_text().strip()
    assert password not in done.out + done.err


async def test_rights_that_were_changed_by_hand_are_the_declared_ones_again(kafka: ComposeKafka) -> None:
    topic, literal, principal = ResourceType.TOPIC, PatternType.LITERAL, kafka_principal("api")
    granted = AccessRule(topic, OBSERVATIONS, literal, principal, "*", Operation.WRITE)
    removed = AccessRule(topic, UPDATES, literal, principal, "*", Operation.READ)
    async with open_admin_client(kafka.local) as admin:
        await admin._send_to_controller(CreateAclsRequest(*granted))
        await admin._send_to_controller(DeleteAclsRequest(*removed))
    access = access_of(kafka, "api")
    assert OBSERVATIONS in await writable_topics(access)
    done = await set_up(kafka)
    assert done.code == 0, done.err
    assert "2 rights of the roles at Kafka were changed" in done.out
    assert await writable_topics(access) == set(RIGHTS["api"].writes)
    assert await readable_topics(access) == set(RIGHTS["api"].reads)
