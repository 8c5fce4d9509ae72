"""Events that a subscriber leaves out: small changes, frequent ones, and members of values.

Only changes of a value are left out. A change of its quality or freshness is sent at once, and so are alarms
and snapshots. Pure: times are arguments, in seconds of a monotonic clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from api.live.events import decode_events, encode_event
from api.live.models import StateData

FIELDS = tuple(field.encode_name for field in msgspec.structs.fields(StateData))
"""The members of a value, in their order."""

VALUES_MAX = 50_000
"""Of one subscriber, each some 300 bytes; beyond it the memory begins anew: each value is sent once more."""


class Reduction(NamedTuple):
    """What a subscriber leaves out; nothing by default."""

    min_change: float = 0.0  #: in the unit of each value
    min_interval_s: float = 0.0  #: between two events of one value
    fields: frozenset[str] = frozenset(FIELDS)

    @property
    def keeps_values(self) -> bool:
        """Whether a reducer must keep what it has sent."""
        return self.min_change > 0 or self.min_interval_s > 0


class _State(msgspec.Struct, rename="camel", gc=False):
    """The members of a value that decide."""

    entity_id: str = ""
    property: str = ""
    value: float | None = None
    quality: str = ""
    freshness: str = ""


class _Sent(NamedTuple):
    value: float | None
    quality: str
    freshness: str
    at_s: float

    def differs_at_once(self, state: _State) -> bool:
        return (self.quality, self.freshness) != (state.quality, state.freshness)


class _Held(NamedTuple):
    """A change that waits, and the cursor before it: who resumes there gets it."""

    before: str
    data: bytes
    state: _State


_decode = msgspec.json.Decoder(_State).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Reducer:
    """The memory of one subscriber: what it has got, and the newest changes that wait.

    As long as changes wait, the cursor of what is sent is that before the first of them. So a subscriber that
    resumes loses none of them; what it got since then may come again.
    """

    def __init__(self, reduction: Reduction) -> None:
        self._reduction = reduction
        self._names: Collection[str] | None = (
            None if reduction.fields >= frozenset(FIELDS) else (*reduction.fields, "complete")
        )
        self._sent: dict[tuple[str, str], _Sent] = {}
        # By the position of the newest change of each value: the first one is the oldest.
        self._held: dict[tuple[str, str], _Held] = {}
        # When each waiting change is due; one entry for each value.
        self._due: list[tuple[float, tuple[str, str]]] = []
        self._scheduled: set[tuple[str, str]] = set()
        self._cursor = ""  # of the last event, sent or not

    def reduce(self, chunk: bytes, now_s: float) -> bytes:
        """Return the events of a chunk that are sent now, as a chunk; perhaps none."""
        events = []
        for event in decode_events(chunk):
            before, self._cursor = self._cursor, event.cursor
            if event.name == "gap":
                self._held.clear()  # A snapshot follows.
            if event.name not in ("state", "snapshot") or not event.data.startswith(b'{"entityId"'):
                events.append(encode_event(event.name, self._safe_cursor(), event.data))
                continue
            if self._reduction.keeps_values:
                state = _decode(event.data)
                key = state.entity_id, state.property
                if event.name == "state" and not self._is_due(key, state, now_s):
                    self._held.pop(key, None)
                    if self._is_large(key, state):
                        self._held[key] = _Held(before, event.data, state)
                        self._schedule(key)
                    continue
                self._note(key, state, now_s)
            events.append(encode_event(event.name, self._safe_cursor(), self._projected(event.data)))
        return b"".join(events)

    def release(self, now_s: float) -> bytes:
        """Return the waiting changes that are due, as a chunk."""
        events = []
        while self._due and self._due[0][0] <= now_s:
            _, key = heapq.heappop(self._due)
            self._scheduled.discard(key)
            held = self._held.get(key)
            if held is None:
                continue
            if self._due_s(key) > now_s:
                self._schedule(key)  # It was sent meanwhile, with another quality.
                continue
            self._note(key, held.state, now_s)
            events.append(encode_event("state", self._safe_cursor(), self._projected(held.data)))
        return b"".join(events)

    def next_due_s(self) -> float | None:
        """Return when to release next; None while no change waits."""
        return self._due[0][0] if self._due else None

    def _schedule(self, key: tuple[str, str]) -> None:
        if key not in self._scheduled:
            self._scheduled.add(key)
            heapq.heappush(self._due, (self._due_s(key), key))

    def _due_s(self, key: tuple[str, str]) -> float:
        sent = self._sent.get(key)
        return sent.at_s + self._reduction.min_interval_s if sent is not None else 0.0

    def _is_due(self, key: tuple[str, str], state: _State, now_s: float) -> bool:
        sent = self._sent.get(key)
        if sent is None or sent.differs_at_once(state):
            return True
        return self._is_large(key, state) and now_s >= sent.at_s + self._reduction.min_interval_s

    def _is_large(self, key: tuple[str, str], state: _State) -> bool:
        sent = self._sent.get(key)
        if sent is None or sent.value is None or state.value is None:
            return True
        # Not `<`: the difference of infinite values is no number.
        return not abs(state.value - sent.value) < self._reduction.min_change

    def _note(self, key: tuple[str, str], state: _State, now_s: float) -> None:
        self._held.pop(key, None)
        if len(self._sent) >= VALUES_MAX and key not in self._sent:
            # Those that wait are due at once then.
            self._sent.clear()
        self._sent[key] = _Sent(state.value, state.quality, state.freshness, now_s)

    def _safe_cursor(self) -> str:
        for held in self._held.values():
            return held.before
        return self._cursor

    def _projected(self, data: bytes) -> bytes:
        if self._names is None:
            return data
        members = _decode_members(data)
        return _encode({name: value for name, value in members.items() if name in self._names})
