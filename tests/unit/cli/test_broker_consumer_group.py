"""A consumer group of the embedded broker: generations, leaders, and removed members."""

from __future__ import annotations

import asyncio
from typing import Any

from cli.embedded.broker.consumer_group import (
    ILLEGAL_GENERATION,
    INCONSISTENT_PROTOCOL,
    OK,
    REBALANCING,
    UNKNOWN_MEMBER,
    CommittedOffset,
    ConsumerGroup,
    GroupPhase,
    JoinResult,
)

LONG_S = 60.0
PROTOCOLS = [("range", b"topics")]


def join(group: ConsumerGroup, member: str = "", *, session_s: float = LONG_S) -> asyncio.Task[JoinResult]:
    return asyncio.ensure_future(group.join(member, "client", session_s, LONG_S, PROTOCOLS))


async def started(group: ConsumerGroup, **options: Any) -> JoinResult:
    """Return the only member of a stable group."""
    joined = await join(group, **options)
    assert await group.sync(joined.member, joined.generation, [(joined.member, b"all")]) == (OK, b"all")
    return joined


async def pair(group: ConsumerGroup) -> tuple[JoinResult, JoinResult]:
    """Return the leader and the follower of a stable group."""
    first = await started(group)
    joining = join(group)
    await asyncio.sleep(0)
    assert group.heartbeat(first.member, first.generation) == REBALANCING
    again, second = await asyncio.gather(join(group, first.member), joining)
    shares = [(again.member, b"one"), (second.member, b"two")]
    follower = asyncio.ensure_future(group.sync(second.member, second.generation, []))
    await asyncio.sleep(0)
    assert not follower.done()
    assert await group.sync(again.member, again.generation, shares) == (OK, b"one")
    assert await follower == (OK, b"two")
    return again, second


async def test_the_first_member_leads_at_once() -> None:
    group = ConsumerGroup()
    joined = await started(group)
    assert joined.leader == joined.member
    assert joined.members == ((joined.member, b"topics"),)
    assert group.heartbeat(joined.member, joined.generation) == OK


async def test_a_second_member_makes_a_new_generation() -> None:
    group = ConsumerGroup()
    first, second = await pair(group)
    assert first.generation == second.generation == 2
    assert second.leader == first.member
    assert {name for name, _ in first.members} == {first.member, second.member}
    assert second.members == ()


async def test_the_others_join_again_when_a_member_leaves() -> None:
    group = ConsumerGroup()
    first, second = await pair(group)
    assert group.leave(first.member) == OK
    assert group.heartbeat(second.member, second.generation) == REBALANCING
    alone = await join(group, second.member)
    assert (alone.leader, alone.generation) == (second.member, 3)
    assert group.leave(second.member) == OK
    assert group.phase is GroupPhase.EMPTY


async def test_a_silent_member_is_removed() -> None:
    group = ConsumerGroup()
    joined = await started(group, session_s=0.01)
    gone = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, gone.set)
    await gone.wait()
    assert group.heartbeat(joined.member, joined.generation) == UNKNOWN_MEMBER
    assert group.phase is GroupPhase.EMPTY


async def test_a_member_that_disconnects_while_it_waits_is_removed() -> None:
    group = ConsumerGroup()
    first = await started(group)
    waiting = join(group)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    again = await join(group, first.member)
    assert [name for name, _ in again.members] == [first.member]


async def test_unknown_members_and_old_generations_get_errors() -> None:
    group = ConsumerGroup()
    joined = await started(group)
    assert (await join(group, "nobody")).error == UNKNOWN_MEMBER
    assert (await group.join("", "client", LONG_S, LONG_S, [("other", b"")])).error == INCONSISTENT_PROTOCOL
    assert group.heartbeat(joined.member, joined.generation - 1) == ILLEGAL_GENERATION
    assert group.commit("nobody", 1, {}) == UNKNOWN_MEMBER
    assert group.leave("nobody") == UNKNOWN_MEMBER


async def test_a_group_stores_committed_offsets() -> None:
    group = ConsumerGroup()
    joined = await started(group)
    place = ("topic", 1)
    assert group.commit(joined.member, joined.generation, {place: CommittedOffset(7, "")}) == OK
    assert (
        group.commit(joined.member, joined.generation - 1, {place: CommittedOffset(9, "")})
        == ILLEGAL_GENERATION
    )
    assert group.committed == {place: CommittedOffset(7, "")}
    assert group.commit("", -1, {place: CommittedOffset(8, "")}) == OK
    assert group.committed == {place: CommittedOffset(8, "")}
