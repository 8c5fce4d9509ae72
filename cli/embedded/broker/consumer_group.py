"""A consumer group: its members, who leads, which generation it is in, and how far it has read.

Kafka's classic protocol. A member that joins or leaves begins a rebalance: all must join again, one of them
is made leader and deals the partitions out, and everybody fetches its share.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeVar

from aiokafka import errors

T = TypeVar("T")

OK: int = 0
UNKNOWN_MEMBER: int = errors.UnknownMemberIdError.errno
ILLEGAL_GENERATION: int = errors.IllegalGenerationError.errno
REBALANCING: int = errors.RebalanceInProgressError.errno
INCONSISTENT_PROTOCOL: int = errors.InconsistentGroupProtocolError.errno


class GroupPhase(Enum):
    """Where a group is between two generations."""

    EMPTY = "empty"
    PREPARING_REBALANCE = "joining"  #: waits until all members have joined again
    COMPLETING_REBALANCE = "dealing"  #: waits for what the leader deals out
    STABLE = "stable"


class JoinResult(NamedTuple):
    """The answer to who joins."""

    error: int
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    member: str = ""
    members: tuple[tuple[str, bytes], ...] = ()  #: what all said of themselves; for the leader


class CommittedOffset(NamedTuple):
    """How far a group has read a partition."""

    offset: int
    metadata: str


@dataclass(slots=True)
class _Member:
    id: str
    session_s: float
    rebalance_s: float
    protocols: tuple[tuple[str, bytes], ...]
    joining: asyncio.Future[JoinResult] | None = None
    syncing: asyncio.Future[tuple[int, bytes]] | None = None
    expiry: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class ConsumerGroup:
    """One consumer group. Its times are those of the running event loop."""

    phase: GroupPhase = GroupPhase.EMPTY
    generation: int = 0
    committed: dict[tuple[str, int], CommittedOffset] = field(default_factory=dict)
    _members: dict[str, _Member] = field(default_factory=dict)
    _leader: str = ""
    _protocol: str = ""
    _shares: dict[str, bytes] = field(default_factory=dict)
    _joining_until: asyncio.TimerHandle | None = None

    async def join(
        self,
        member_id: str,
        client: str,
        session_s: float,
        rebalance_s: float,
        protocols: Iterable[tuple[str, bytes]],
    ) -> JoinResult:
        """Return once the next generation begins, or at once where nothing changes."""
        offered = tuple((name, bytes(metadata)) for name, metadata in protocols)
        if member_id and member_id not in self._members:
            return JoinResult(UNKNOWN_MEMBER, member=member_id)
        if not self._common(offered, without=member_id):
            return JoinResult(INCONSISTENT_PROTOCOL, member=member_id)
        if not member_id:
            member_id = f"{client}-{secrets.token_hex(8)}"
            member = self._members[member_id] = _Member(member_id, session_s, rebalance_s, offered)
        else:
            member = self._members[member_id]
            unchanged = member.protocols == offered and member_id != self._leader
            if self.phase in (GroupPhase.STABLE, GroupPhase.COMPLETING_REBALANCE) and unchanged:
                self._alive(member)
                return self._answer(member)
            member.protocols, member.session_s, member.rebalance_s = offered, session_s, rebalance_s
        if member.joining is None:
            member.joining = asyncio.get_running_loop().create_future()
        joining = member.joining
        self._await_all()
        self._begin_if_all_joined()
        return await self._waited(joining, member)

    async def sync(
        self, member_id: str, generation: int, assignments: Iterable[tuple[str, bytes]]
    ) -> tuple[int, bytes]:
        """Return (error, share) once the leader has dealt out."""
        error = self.member_error(member_id, generation)
        if error or self.phase is GroupPhase.PREPARING_REBALANCE:
            return error or REBALANCING, b""
        member = self._members[member_id]
        self._alive(member)
        if self.phase is GroupPhase.COMPLETING_REBALANCE and member_id == self._leader:
            self._shares = {name: bytes(share) for name, share in assignments}
            self.phase = GroupPhase.STABLE
            for one in self._members.values():
                if one.syncing is not None:
                    _resolve(one.syncing, (OK, self._shares.get(one.id, b"")))
                    one.syncing = None
        if self.phase is GroupPhase.STABLE:
            return OK, self._shares.get(member_id, b"")
        if member.syncing is None:
            member.syncing = asyncio.get_running_loop().create_future()
        return await self._waited(member.syncing, member)

    async def _waited(self, future: asyncio.Future[T], member: _Member) -> T:
        """Return an answer; a member whose connection ends meanwhile is gone."""
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if self._members.get(member.id) is member:
                self._remove(member)
            raise

    def heartbeat(self, member_id: str, generation: int) -> int:
        """Note that a member lives; return the error that tells it to join again, or 0."""
        error = self.member_error(member_id, generation)
        if error:
            return error
        self._alive(self._members[member_id])
        return REBALANCING if self.phase is GroupPhase.PREPARING_REBALANCE else OK

    def leave(self, member_id: str) -> int:
        """Let a member go."""
        member = self._members.get(member_id)
        if member is None:
            return UNKNOWN_MEMBER
        self._remove(member)
        return OK

    def member_error(self, member_id: str, generation: int) -> int:
        """Return what is wrong with what a member says of itself, or 0."""
        if member_id not in self._members:
            return UNKNOWN_MEMBER
        return OK if generation == self.generation else ILLEGAL_GENERATION

    def commit(
        self, member_id: str, generation: int, offsets: Mapping[tuple[str, int], CommittedOffset]
    ) -> int:
        """Note how far partitions were read; without a generation for somebody who is in no group."""
        error = self.member_error(member_id, generation) if generation >= 0 else OK
        if not error:
            self.committed.update(offsets)
        return error

    def _common(self, offered: tuple[tuple[str, bytes], ...], without: str) -> bool:
        names = {name for name, _ in offered}
        for member in self._members.values():
            if member.id != without:
                names &= {name for name, _ in member.protocols}
        return bool(names)

    def _await_all(self) -> None:
        """Begin a rebalance: whoever is not back in time is out."""
        if self.phase is GroupPhase.PREPARING_REBALANCE:
            return
        self.phase = GroupPhase.PREPARING_REBALANCE
        for member in self._members.values():
            if member.syncing is not None:
                _resolve(member.syncing, (REBALANCING, b""))
                member.syncing = None
        longest = max(member.rebalance_s for member in self._members.values())
        loop = asyncio.get_running_loop()
        self._joining_until = loop.call_later(longest, self._give_up_the_absent)

    def _give_up_the_absent(self) -> None:
        for member in [one for one in self._members.values() if one.joining is None]:
            self._drop(member)
        self._begin_if_all_joined()

    def _begin_if_all_joined(self) -> None:
        if self.phase is not GroupPhase.PREPARING_REBALANCE or any(
            one.joining is None for one in self._members.values()
        ):
            return
        if self._joining_until is not None:
            self._joining_until.cancel()
            self._joining_until = None
        if not self._members:
            self.phase = GroupPhase.EMPTY
            return
        self.generation += 1
        if self._leader not in self._members:
            self._leader = next(iter(self._members))
        others = [{name for name, _ in one.protocols} for one in self._members.values()]
        mine = [name for name, _ in self._members[self._leader].protocols]
        self._protocol = next(name for name in mine if all(name in names for names in others))
        self._shares = {}
        self.phase = GroupPhase.COMPLETING_REBALANCE
        for member in self._members.values():
            self._alive(member)
            joining, member.joining = member.joining, None
            if joining is not None:
                _resolve(joining, self._answer(member))

    def _answer(self, member: _Member) -> JoinResult:
        members: tuple[tuple[str, bytes], ...] = ()
        if member.id == self._leader:
            members = tuple((one.id, dict(one.protocols)[self._protocol]) for one in self._members.values())
        return JoinResult(OK, self.generation, self._protocol, self._leader, member.id, members)

    def _alive(self, member: _Member) -> None:
        if member.expiry is not None:
            member.expiry.cancel()
        member.expiry = asyncio.get_running_loop().call_later(member.session_s, self._expire, member)

    def _expire(self, member: _Member) -> None:
        # Who waits for the next generation is there, however long the others take.
        if member.joining is None and self._members.get(member.id) is member:
            self._remove(member)

    def _remove(self, member: _Member) -> None:
        self._drop(member)
        if not self._members:
            self.phase = GroupPhase.EMPTY
            if self._joining_until is not None:
                self._joining_until.cancel()
                self._joining_until = None
            return
        self._await_all()
        self._begin_if_all_joined()

    def _drop(self, member: _Member) -> None:
        del self._members[member.id]
        if member.expiry is not None:
            member.expiry.cancel()
        if member.joining is not None:
            _resolve(member.joining, JoinResult(UNKNOWN_MEMBER, member=member.id))
        if member.syncing is not None:
            _resolve(member.syncing, (UNKNOWN_MEMBER, b""))


def _resolve(future: asyncio.Future[T], answer: T) -> None:
    if not future.done():  # the connection that waited may be gone
        future.set_result(answer)
