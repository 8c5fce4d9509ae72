"""A lease on a real log: who holds it, what an old holder can still do, and where a new reader begins.

The log may be another one, be empty again, or contain records that this program does not expect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from cli.embedded.kafka import EmbeddedKafka
from runtime.kafka.topics import create_topics
from runtime.lease.lease_log import TAKEOVER_S, LeaseLog, LeaseLostError, LeaseOptions, open_lease_log
from runtime.lease.lease_records import LEASE_LAYOUT, LeaseRecord, RecordKind, encode_lease_record
from tests.support.database.historian import write_records
from tests.support.waiting import until
from twin.errors import MessageError

pytestmark = pytest.mark.embedded

TOPIC = "some-lease"

DEADLINE_S = 60.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Member:
    """One of the processes of a role, in this one."""

    def __init__(self, lease: LeaseLog, clock: Clock, seen: list[bytes]) -> None:
        self.lease = lease
        self.clock = clock
        self.seen = seen  #: what it has read of other holders


@asynccontextmanager
async def member(
    kafka: str, name: str, *, is_heir: bool = False, incarnation: str = "1"
) -> AsyncIterator[Member]:
    """Run a member that reads the lease."""
    clock, seen = Clock(), list[bytes]()
    options = LeaseOptions(kafka=kafka, topic=TOPIC, member=name, incarnation=incarnation, is_heir=is_heir)
    async with open_lease_log(options, clock, lambda record: seen.append(record.payload)) as lease:
        await lease.until_caught_up()
        yield Member(lease, clock, seen)


def has_seen(reader: Member, payload: bytes) -> bool:
    """Whether the last record that a member has read has a payload."""
    return reader.seen[-1:] == [payload]


async def test_a_silent_holder_is_replaced_and_can_append_no_more(kafka: str) -> None:
    async with member(kafka, "east", is_heir=True) as east, member(kafka, "west") as west:
        assert await east.lease.take() == ""
        await east.lease.append(b"first")
        await until(lambda: west.seen == [b"", b"first"], lambda: west.seen)
        assert east.lease.is_held()
        west.clock.now += TAKEOVER_S
        assert await west.lease.take() == "east/1"
        with pytest.raises(LeaseLostError, match="west/1 holds the lease"):
            await east.lease.append(b"too late")
        assert not east.lease.is_held()
        await west.lease.append(b"second")
        await until(lambda: east.seen == [b"", b"second"], lambda: east.seen)
        assert b"too late" not in west.seen


async def test_a_holder_that_appends_is_not_replaced(kafka: str) -> None:
    async with member(kafka, "east", is_heir=True) as east, member(kafka, "west") as west:
        await east.lease.take()
        taking = asyncio.create_task(west.lease.take())
        for number in range(20):
            await east.lease.append(b"%d" % number)
            await until(partial(has_seen, west, b"%d" % number), lambda: west.seen)
            west.clock.now += TAKEOVER_S - 0.1
        assert not taking.done()
        await east.lease.release()
        assert await taking == "east/1", "at once, by the same clock"


async def test_a_holder_acts_no_longer_than_its_last_record_allows(kafka: str) -> None:
    async with member(kafka, "east", is_heir=True) as east:
        await east.lease.take()
        assert east.lease.is_held()
        east.clock.now += TAKEOVER_S - 0.5
        assert not east.lease.is_held(), "before another one may claim"
        await east.lease.append(b"")
        assert east.lease.is_held()


async def test_a_restarted_holder_continues_at_once(kafka: str) -> None:
    async with member(kafka, "east", is_heir=True) as east:
        await east.lease.take()
        await east.lease.append(b"before")
    async with member(kafka, "east", incarnation="2") as again:
        assert again.seen == [b"", b"before"]
        assert await again.lease.take() == "east/1"


async def test_a_new_reader_begins_at_the_base(kafka: str) -> None:
    async with member(kafka, "east", is_heir=True) as east:
        await east.lease.take()
        for number in range(200):
            await east.lease.append(b"old %d" % number)
        base = await east.lease.append(b"whole")
        await east.lease.append(b"", base)
        await east.lease.append(b"change")
        async with member(kafka, "west") as west:
            assert west.seen == [b"whole", b"", b"change"]


async def delete_records(kafka: str) -> None:
    """Delete all records of the topic, as its retention does after a long pause."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(TOPIC, 0): RecordsToDelete(before_offset=-1)})
    finally:
        await admin.close()


@pytest.mark.parametrize("dies_at_once", [False, True])
async def test_a_topic_whose_records_have_expired_is_claimed_again(kafka: str, *, dies_at_once: bool) -> None:
    async with member(kafka, "east", is_heir=True) as east:
        await east.lease.take()
        await east.lease.append(b"old")
    await delete_records(kafka)
    async with member(kafka, "east", is_heir=True, incarnation="2") as east:
        assert east.seen == []
        async with asyncio.timeout(DEADLINE_S):
            assert await east.lease.take() == ""
        if not dies_at_once:
            await east.lease.append(b"new")
    async with member(kafka, "west") as west:
        assert west.seen == ([b""] if dies_at_once else [b"", b"new"])
        west.clock.now += TAKEOVER_S
        async with asyncio.timeout(DEADLINE_S):
            assert await west.lease.take() == "east/2"


async def test_a_late_record_of_another_log_does_not_begin_the_lease_and_hinders_nobody(kafka: str) -> None:
    late = LeaseRecord(
        kind=RecordKind.APPEND, owner="east/1", epoch=3, number=7, base=500, payload=b"late", log="another"
    )
    await create_topics(kafka, {TOPIC: 1})
    await write_records(kafka, TOPIC, [encode_lease_record(late)])
    async with member(kafka, "east", is_heir=True, incarnation="2") as east:
        assert await east.lease.take() == ""
        await east.lease.append(b"first")
        await write_records(kafka, TOPIC, [encode_lease_record(late)])
        await east.lease.append(b"second")
        async with member(kafka, "west") as west:
            assert west.seen == [b"", b"first", b"second"]


async def test_what_is_no_record_of_a_lease_is_skipped(kafka: str, caplog: pytest.LogCaptureFixture) -> None:
    await create_topics(kafka, {TOPIC: 1})
    await write_records(kafka, TOPIC, [b"noise"])
    async with member(kafka, "east", is_heir=True) as east:
        assert await east.lease.take() == ""
    assert f"offset 0 of the topic {TOPIC} cannot be read; skipping it: not a record" in caplog.text


async def test_a_record_of_a_newer_program_ends_the_reader_with_its_place(kafka: str) -> None:
    newer = msgspec.msgpack.encode((LEASE_LAYOUT + 1, "append", {"owner": "west"}))
    with pytest.RaisesGroup(
        pytest.RaisesExc(
            MessageError,
            match=f"^offset 1 of the topic {TOPIC}: a record of a lease has layout {LEASE_LAYOUT + 1}, "
            f"and this program reads layout {LEASE_LAYOUT}. .*upgrade this one",
        )
    ):
        async with member(kafka, "east", is_heir=True) as east:
            await east.lease.take()
            await write_records(kafka, TOPIC, [newer])
            await asyncio.wait_for(asyncio.Event().wait(), DEADLINE_S)


async def test_an_append_under_way_ends_when_the_log_is_replaced(service_folder: Path) -> None:
    broker = EmbeddedKafka(service_folder)
    await broker.start()
    try:
        with pytest.RaisesGroup(pytest.RaisesExc(LeaseLostError, match="was replaced by")):
            async with member(broker.bootstrap, "east", is_heir=True) as east:
                await east.lease.take()
                await broker.stop()
                appending = asyncio.create_task(east.lease.append(b"late"))
                await broker.start()
                await asyncio.wait_for(asyncio.Event().wait(), DEADLINE_S)
        with pytest.raises(LeaseLostError, match="the log of the lease of some-lease is gone"):
            await appending
        assert not east.lease.is_held()
        async with member(broker.bootstrap, "west", is_heir=True) as west:
            assert await west.lease.take() == ""
            assert west.seen == [], "nothing of the log before"
    finally:
        await broker.stop()
