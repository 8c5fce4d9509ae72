"""The delivery of one webhook: in order, one message at a time, tried again until it is delivered or dead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import Random

import msgspec

from api.http.parameters import LiveFilter
from api.live.cursor import decode_cursor, encode_cursor
from api.live.event_stream import LiveStreams
from api.live.events import Event, GapReason, events_in
from outlets.cloud_event import CloudEvent, Message, as_documents, cloud_event, message
from outlets.metrics import OutletMetrics
from outlets.retry_policy import RetryPolicy
from outlets.webhook_sender import Sender
from runtime.clock import Clock
from storage.stores.webhooks import DeadLetter, Progress, Webhook
from twin.errors import ServiceError

log = logging.getLogger(__name__)

EVENTS_MAX = 100
"""In one message."""

_PAUSE_S = 0.5

# What must be told to who reads a stream, and need not be here: reading goes on from where delivery is.
_PASSING = {GapReason.TOO_SLOW, GapReason.LOG_UNREADABLE}


class _GapData(msgspec.Struct):
    reason: GapReason


_gap = msgspec.json.Decoder(_GapData).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every delivery works with."""

    streams: LiveStreams
    sender: Sender
    policy: RetryPolicy
    dice: Random
    clock: Clock
    metrics: OutletMetrics
    bury: Callable[[str, DeadLetter], Awaitable[None]]  #: raises ServiceError while the database is away


class Delivery:
    """Reads the live stream as a subscriber would, and moves its place in it as messages are delivered.

    While a message fails the stream is let go: what comes meanwhile stays in the log, and nothing piles up
    here. So a receiver that hangs costs one message of memory, and nobody else's time.
    """

    def __init__(self, webhook: Webhook, means: Means) -> None:
        self.webhook = webhook
        self.progress: Progress = webhook.progress
        self.moved = False  #: whether the progress is not stored yet
        self._means = means
        self._hub = means.streams.hub
        filter = LiveFilter.model_validate(webhook.filter)
        self._wanted = filter.filter()
        self._events = frozenset(filter.events or ("state", "alarm"))
        self._asked_s: float | None = None

    async def run(self) -> None:
        """Deliver until cancelled, or until the receiver is gone for good."""
        if not self.progress.cursor and "snapshot" not in self._events:
            self._move(cursor=encode_cursor(self._hub.cursor()))
        while self.progress.state == "active":
            failed = await self._deliver()
            if failed is not None:
                await self._insist(failed)

    async def _deliver(self) -> Message | None:
        """Deliver what comes until a message fails: return that. None when reading must begin anew."""
        streams, start = self._means.streams, self.progress.cursor
        cursor = decode_cursor(self._place(start)) if start else None
        with streams.seat(self._wanted) as subscriber:
            async with aclosing(streams.frames(subscriber, self._events, cursor)) as chunks:
                async for chunk in chunks:
                    for events in _portions(events_in(chunk), 1 if self._single else EVENTS_MAX):
                        if events[0].name == "gap" and _gap(events[0].data).reason in _PASSING:
                            await asyncio.sleep(_PAUSE_S)
                            return None
                        due = message(self._cloud_events(events), self.webhook.mode)
                        if not await self._try(due):
                            return due
                        if events[0].name == "gap" and "snapshot" not in self._events:
                            # The stream joins anew now, for a snapshot; without one, what changed since the
                            # gap would be left out.
                            return None
        return None

    @property
    def _single(self) -> bool:
        return self.webhook.mode == "single"

    def _cloud_events(self, events: Sequence[Event]) -> list[CloudEvent]:
        city, after = self._hub.model.city.id, self.progress.cursor
        found = []
        for event in events:
            found.append(cloud_event(event._replace(cursor=self._place(event.cursor)), city, after))
            after = event.cursor
        return found

    def _place(self, cursor: str) -> str:
        """Return where to go on from a cursor.

        Behind a gap that is a snapshot; who does not want one goes on with what changed after the gap.
        """
        if "snapshot" in self._events:
            return cursor
        place = decode_cursor(cursor)
        return encode_cursor(msgspec.structs.replace(place, partial=False)) if place.partial else cursor

    async def _insist(self, due: Message) -> None:
        """Try a message that failed until it is delivered or dead, or its receiver is gone."""
        means = self._means
        while self.progress.state == "active":
            since = self.progress.failing_since
            if since is None or means.policy.gives_up(self.progress.failures, since, means.clock()):
                await self._bury(due)
                return
            await asyncio.sleep(means.policy.pause_s(self.progress.failures, means.dice, self._asked_s))
            if await self._try(due):
                return

    async def _try(self, due: Message) -> bool:
        """Send a message once; return whether it was delivered."""
        outcome = await self._means.sender.send(self.webhook.url, self.webhook.secret, due)
        self._means.metrics.webhook_messages.labels(outcome.result).inc()
        now = self._means.clock()
        if outcome.result == "delivered":
            self._means.metrics.webhook_events.inc(len(due.events))
            self._pass(due)
            self._move(last_error="", delivered=now)
            return True
        self._asked_s = outcome.asked_s
        self._move(
            failures=self.progress.failures + 1,
            failing_since=self.progress.failing_since or now,
            last_error=outcome.detail,
        )
        if outcome.result == "gone":
            log.warning("webhook %s is disabled: %s", self.webhook.id, outcome.detail)
            self._move(state="disabled", reason=outcome.detail)
        elif self.progress.failures == 1:
            log.warning("webhook %s fails: %s", self.webhook.id, outcome.detail)
        return False

    async def _bury(self, due: Message) -> None:
        """Keep a message as a dead letter, and go on behind it."""
        letter = DeadLetter(
            number=0,
            died=self._means.clock(),
            tries=self.progress.failures,
            error=self.progress.last_error,
            cursor=self.progress.cursor,
            events=as_documents(due.events),
        )
        while True:
            try:
                await self._means.bury(self.webhook.id, letter)
                break
            except ServiceError:
                await asyncio.sleep(_PAUSE_S)
        log.error("webhook %s: %d events are dead: %s", self.webhook.id, len(due.events), letter.error)
        self._means.metrics.webhook_messages.labels("dead").inc()
        self._pass(due)

    def _pass(self, due: Message) -> None:
        self._move(cursor=due.cursor, failures=0, failing_since=None)

    def _move(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]
        self.moved = True


def _portions(events: Sequence[Event], size: int) -> Iterator[Sequence[Event]]:
    """Yield events in portions; a gap is one of its own, as what follows may depend on it.

    >>> change, gap = Event("c", "state", b""), Event("c", "gap", b"")
    >>> [len(one) for one in _portions([change, change, change, gap, change], 2)]
    [2, 1, 1, 1]
    """
    portion: list[Event] = []
    for event in events:
        if portion and (len(portion) == size or "gap" in (event.name, portion[-1].name)):
            yield portion
            portion = []
        portion.append(event)
    if portion:
        yield portion
