"""The delivery of one webhook: in order, one message at a time, tried again until it is delivered or dead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import Random

import msgspec

from api.live.cursor import decode_cursor, encode_cursor
from api.live.event_stream import EventStreams
from api.live.events import GapReason, LiveEvent, decode_events
from api.live.schemas import LiveFilter
from outlets.cloud_event import CloudEvent, WebhookMessage, build_message, cloud_event, to_documents
from outlets.metrics import OutletMetrics
from outlets.retry_policy import WebhookRetryPolicy
from outlets.webhook_sender import WebhookSender
from runtime.clock import Clock
from storage.stores.webhooks import DeadLetter, Webhook, WebhookProgress
from twin.errors import ServiceError

log = logging.getLogger(__name__)

MESSAGE_EVENTS_MAX = 100
"""In one message."""

_PAUSE_S = 0.5

# What must be told to who reads a stream, and need not be here: reading goes on from where delivery is.
_TRANSIENT_GAPS = {GapReason.TOO_SLOW, GapReason.LOG_UNREADABLE}


class _GapData(msgspec.Struct):
    reason: GapReason


_gap = msgspec.json.Decoder(_GapData).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDependencies:
    """What every delivery works with."""

    streams: EventStreams
    sender: WebhookSender
    policy: WebhookRetryPolicy
    rng: Random
    clock: Clock
    metrics: OutletMetrics
    add_dead_letter: Callable[
        [str, DeadLetter], Awaitable[None]
    ]  #: raises ServiceError while the database is away


class WebhookDelivery:
    """Reads the live stream as a subscriber would, and moves its place in it as messages are delivered.

    While a message fails the stream is let go: what comes meanwhile stays in the log, and nothing piles up
    here. So a receiver that hangs costs one message of memory, and nobody else's time.
    """

    def __init__(self, webhook: Webhook, dependencies: DeliveryDependencies) -> None:
        self.webhook = webhook
        self.progress: WebhookProgress = webhook.progress
        self.progress_changed = False  #: whether the progress is not stored yet
        self._dependencies = dependencies
        self._hub = dependencies.streams.hub
        filter = LiveFilter.model_validate(webhook.filter)
        self._wanted = filter.filter()
        self._events = frozenset(filter.events or ("state", "alarm"))
        self._retry_after_s: float | None = None

    async def run(self) -> None:
        """Deliver until cancelled, or until the receiver is gone for good."""
        if not self.progress.cursor and "snapshot" not in self._events:
            self._update_progress(cursor=encode_cursor(self._hub.cursor()))
        while self.progress.state == "active":
            failed = await self._deliver()
            if failed is not None:
                await self._retry(failed)

    async def _deliver(self) -> WebhookMessage | None:
        """Deliver what comes until a message fails: return that. None when reading must begin anew."""
        streams, start = self._dependencies.streams, self.progress.cursor
        cursor = decode_cursor(self._resume_cursor(start)) if start else None
        with streams.open_subscriber(self._wanted) as subscriber:
            async with aclosing(streams.frames(subscriber, self._events, cursor)) as chunks:
                async for chunk in chunks:
                    for events in _split_events(
                        decode_events(chunk), 1 if self._single else MESSAGE_EVENTS_MAX
                    ):
                        if events[0].name == "gap" and _gap(events[0].data).reason in _TRANSIENT_GAPS:
                            await asyncio.sleep(_PAUSE_S)
                            return None
                        due = build_message(self._cloud_events(events), self.webhook.mode)
                        if not await self._attempt(due):
                            return due
                        if events[0].name == "gap" and "snapshot" not in self._events:
                            # The stream joins anew now, for a snapshot; without one, what changed since the
                            # gap would be left out.
                            return None
        return None

    @property
    def _single(self) -> bool:
        return self.webhook.mode == "single"

    def _cloud_events(self, events: Sequence[LiveEvent]) -> list[CloudEvent]:
        city, after = self._hub.model.city.id, self.progress.cursor
        found = []
        for event in events:
            found.append(cloud_event(event._replace(cursor=self._resume_cursor(event.cursor)), city, after))
            after = event.cursor
        return found

    def _resume_cursor(self, cursor: str) -> str:
        """Return where to go on from a cursor.

        Behind a gap that is a snapshot; who does not want one goes on with what changed after the gap.
        """
        if "snapshot" in self._events:
            return cursor
        place = decode_cursor(cursor)
        return encode_cursor(msgspec.structs.replace(place, partial=False)) if place.partial else cursor

    async def _retry(self, due: WebhookMessage) -> None:
        """Try a message that failed until it is delivered or dead, or its receiver is gone."""
        means = self._dependencies
        while self.progress.state == "active":
            since = self.progress.failing_since
            if since is None or means.policy.is_exhausted(self.progress.failures, since, means.clock()):
                await self._dead_letter(due)
                return
            await asyncio.sleep(means.policy.delay_s(self.progress.failures, means.rng, self._retry_after_s))
            if await self._attempt(due):
                return

    async def _attempt(self, due: WebhookMessage) -> bool:
        """Send a message once; return whether it was delivered."""
        outcome = await self._dependencies.sender.send(self.webhook.url, self.webhook.secret, due)
        self._dependencies.metrics.webhook_messages.labels(outcome.result).inc()
        now = self._dependencies.clock()
        if outcome.result == "delivered":
            self._dependencies.metrics.webhook_events.inc(len(due.events))
            self._advance(due)
            self._update_progress(last_error="", delivered=now)
            return True
        self._retry_after_s = outcome.retry_after_s
        self._update_progress(
            failures=self.progress.failures + 1,
            failing_since=self.progress.failing_since or now,
            last_error=outcome.detail,
        )
        if outcome.result == "gone":
            log.warning("webhook %s is disabled: %s", self.webhook.id, outcome.detail)
            self._update_progress(state="disabled", reason=outcome.detail)
        elif self.progress.failures == 1:
            log.warning("webhook %s fails: %s", self.webhook.id, outcome.detail)
        return False

    async def _dead_letter(self, due: WebhookMessage) -> None:
        """Keep a message as a dead letter, and go on behind it."""
        letter = DeadLetter(
            number=0,
            died=self._dependencies.clock(),
            tries=self.progress.failures,
            error=self.progress.last_error,
            cursor=self.progress.cursor,
            events=to_documents(due.events),
        )
        while True:
            try:
                await self._dependencies.add_dead_letter(self.webhook.id, letter)
                break
            except ServiceError:
                await asyncio.sleep(_PAUSE_S)
        log.error("webhook %s: %d events are dead: %s", self.webhook.id, len(due.events), letter.error)
        self._dependencies.metrics.webhook_messages.labels("dead").inc()
        self._advance(due)

    def _advance(self, due: WebhookMessage) -> None:
        self._update_progress(cursor=due.cursor, failures=0, failing_since=None)

    def _update_progress(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]
        self.progress_changed = True


def _split_events(events: Sequence[LiveEvent], size: int) -> Iterator[Sequence[LiveEvent]]:
    """Yield events in portions; a gap is one of its own, as what follows may depend on it.

    >>> change, gap = LiveEvent("c", "state", b""), LiveEvent("c", "gap", b"")
    >>> [len(one) for one in _split_events([change, change, change, gap, change], 2)]
    [2, 1, 1, 1]
    """
    portion: list[LiveEvent] = []
    for event in events:
        if portion and (len(portion) == size or "gap" in (event.name, portion[-1].name)):
            yield portion
            portion = []
        portion.append(event)
    if portion:
        yield portion
