"""A lease on a real log: who holds it, what an old holder can still do, and where a new reader begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from runtime.lease.lease_log import TAKEOVER_S, LeaseLog, LeaseLostError, LeaseOptions, open_lease_log
from tests.support.waiting import until

pytestmark = pytest.mark.embedded

TOPIC = "some-lease"


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
