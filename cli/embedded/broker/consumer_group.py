"""A consumer group: its members, leader, generation and committed offsets.

It follows Kafka's classic protocol. A member that joins or leaves starts a rebalance: all members join again,
one of them becomes the leader and assigns the partitions, and each member fetches its assignment.
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
    """The phase of a group, named as in Kafka."""

    EMPTY = "empty"
    PREPARING_REBALANCE = "preparing-rebalance"  #: waits until all members have joined again
    COMPLETING_REBALANCE = "completing-rebalance"  #: waits for the assignments of the leader
    STABLE = "stable"


class JoinResult(NamedTuple):
    """The response to a member that joins."""

    error: int
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    member: str = ""
    members: tuple[tuple[str, bytes], ...] = ()  #: for the leader: id and metadata of each member


class CommittedOffset(NamedTuple):
    """The offset that a group has committed in a partition."""

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
    """One consumer group. Its timeouts use the clock of the running event loop."""

    phase: GroupPhase = GroupPhase.EMPTY
    generation: int = 0
    committed: dict[tuple[str, int], CommittedOffset] = field(default_factory=dict)
    _members: dict[str, _Member] = field(default_factory=dict)
    _leader: str = ""
    _protocol: str = ""
    _assignments: dict[str, bytes] = field(default_factory=dict)
    _rebalance_deadline: asyncio.TimerHandle | None = None

    async def join(
        self,
        member_id: str,
        client: str,
        session_s: float,
        rebalance_s: float,
        protocols: Iterable[tuple[str, bytes]],
    ) -> JoinResult:
        """Wait for the next generation; return at once if the member's protocols have not changed."""
        offered = tuple((name, bytes(metadata)) for name, metadata in protocols)
        if member_id and member_id not in self._members:
            return JoinResult(UNKNOWN_MEMBER, member=member_id)
        if not self._has_common_protocol(offered, without=member_id):
            return JoinResult(INCONSISTENT_PROTOCOL, member=member_id)
        if not member_id:
            member_id = f"{client}-{secrets.token_hex(8)}"
            member = self._members[member_id] = _Member(member_id, session_s, rebalance_s, offered)
        else:
            member = self._members[member_id]
            unchanged = member.protocols == offered and member_id != self._leader
            if self.phase in (GroupPhase.STABLE, GroupPhase.COMPLETING_REBALANCE) and unchanged:
                self._extend_session(member)
                return self._join_result(member)
            member.protocols, member.session_s, member.rebalance_s = offered, session_s, rebalance_s
        if member.joining is None:
            member.joining = asyncio.get_running_loop().create_future()
        joining = member.joining
        self._start_rebalance()
        self._complete_if_all_joined()
        return await self._await_response(joining, member)

    async def sync(
        self, member_id: str, generation: int, assignments: Iterable[tuple[str, bytes]]
    ) -> tuple[int, bytes]:
        """Return (error, assignment) once the leader has assigned the partitions."""
        error = self.member_error(member_id, generation)
        if error or self.phase is GroupPhase.PREPARING_REBALANCE:
            return error or REBALANCING, b""
        member = self._members[member_id]
        self._extend_session(member)
        if self.phase is GroupPhase.COMPLETING_REBALANCE and member_id == self._leader:
            self._assignments = {name: bytes(share) for name, share in assignments}
            self.phase = GroupPhase.STABLE
            for waiting in self._members.values():
                if waiting.syncing is not None:
                    _resolve(waiting.syncing, (OK, self._assignments.get(waiting.id, b"")))
                    waiting.syncing = None
        if self.phase is GroupPhase.STABLE:
            return OK, self._assignments.get(member_id, b"")
        if member.syncing is None:
            member.syncing = asyncio.get_running_loop().create_future()
        return await self._await_response(member.syncing, member)

    async def _await_response(self, future: asyncio.Future[T], member: _Member) -> T:
        """Return the response of a future; remove the member if its connection ends meanwhile."""
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if self._members.get(member.id) is member:
                self._remove(member)
            raise

    def heartbeat(self, member_id: str, generation: int) -> int:
        """Extend the session of a member; return an error if it must join again, else 0."""
        error = self.member_error(member_id, generation)
        if error:
            return error
        self._extend_session(self._members[member_id])
        return REBALANCING if self.phase is GroupPhase.PREPARING_REBALANCE else OK

    def leave(self, member_id: str) -> int:
        """Remove a member; return an error if it is unknown, else 0."""
        member = self._members.get(member_id)
        if member is None:
            return UNKNOWN_MEMBER
        self._remove(member)
        return OK

    def member_error(self, member_id: str, generation: int) -> int:
        """Return the error for an unknown member or an old generation, else 0."""
        if member_id not in self._members:
            return UNKNOWN_MEMBER
        return OK if generation == self.generation else ILLEGAL_GENERATION

    def commit(
        self, member_id: str, generation: int, offsets: Mapping[tuple[str, int], CommittedOffset]
    ) -> int:
        """Store committed offsets; return an error or 0. A negative generation: a client outside a group."""
        error = self.member_error(member_id, generation) if generation >= 0 else OK
        if not error:
            self.committed.update(offsets)
        return error

    def _has_common_protocol(self, offered: tuple[tuple[str, bytes], ...], without: str) -> bool:
        names = {name for name, _ in offered}
        for member in self._members.values():
            if member.id != without:
                names &= {name for name, _ in member.protocols}
        return bool(names)

    def _start_rebalance(self) -> None:
        """Start a rebalance; members that do not join again in time are removed."""
        if self.phase is GroupPhase.PREPARING_REBALANCE:
            return
        self.phase = GroupPhase.PREPARING_REBALANCE
        for member in self._members.values():
            if member.syncing is not None:
                _resolve(member.syncing, (REBALANCING, b""))
                member.syncing = None
        longest = max(member.rebalance_s for member in self._members.values())
        loop = asyncio.get_running_loop()
        self._rebalance_deadline = loop.call_later(longest, self._remove_absent_members)

    def _remove_absent_members(self) -> None:
        for member in [one for one in self._members.values() if one.joining is None]:
            self._drop(member)
        self._complete_if_all_joined()

    def _complete_if_all_joined(self) -> None:
        if self.phase is not GroupPhase.PREPARING_REBALANCE or any(
            one.joining is None for one in self._members.values()
        ):
            return
        if self._rebalance_deadline is not None:
            self._rebalance_deadline.cancel()
            self._rebalance_deadline = None
        if not self._members:
            self.phase = GroupPhase.EMPTY
            return
        self.generation += 1
        if self._leader not in self._members:
            self._leader = next(iter(self._members))
        others = [{name for name, _ in one.protocols} for one in self._members.values()]
        of_leader = [name for name, _ in self._members[self._leader].protocols]
        self._protocol = next(name for name in of_leader if all(name in names for names in others))
        self._assignments = {}
        self.phase = GroupPhase.COMPLETING_REBALANCE
        for member in self._members.values():
            self._extend_session(member)
            joining, member.joining = member.joining, None
            if joining is not None:
                _resolve(joining, self._join_result(member))

    def _join_result(self, member: _Member) -> JoinResult:
        members: tuple[tuple[str, bytes], ...] = ()
        if member.id == self._leader:
            members = tuple((one.id, dict(one.protocols)[self._protocol]) for one in self._members.values())
        return JoinResult(OK, self.generation, self._protocol, self._leader, member.id, members)

    def _extend_session(self, member: _Member) -> None:
        if member.expiry is not None:
            member.expiry.cancel()
        member.expiry = asyncio.get_running_loop().call_later(member.session_s, self._expire, member)

    def _expire(self, member: _Member) -> None:
        # A member that waits for the next generation is alive, however long the others take.
        if member.joining is None and self._members.get(member.id) is member:
            self._remove(member)

    def _remove(self, member: _Member) -> None:
        self._drop(member)
        if not self._members:
            self.phase = GroupPhase.EMPTY
            if self._rebalance_deadline is not None:
                self._rebalance_deadline.cancel()
                self._rebalance_deadline = None
            return
        self._start_rebalance()
        self._complete_if_all_joined()

    def _drop(self, member: _Member) -> None:
        del self._members[member.id]
        if member.expiry is not None:
            member.expiry.cancel()
        if member.joining is not None:
            _resolve(member.joining, JoinResult(UNKNOWN_MEMBER, member=member.id))
        if member.syncing is not None:
            _resolve(member.syncing, (UNKNOWN_MEMBER, b""))


def _resolve(future: asyncio.Future[T], response: T) -> None:
    if not future.done():  # its connection may have ended
        future.set_result(response)
