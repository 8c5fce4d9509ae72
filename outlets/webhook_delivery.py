"""The delivery of one webhook: messages in order, each retried until it is delivered or a dead letter."""

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
from api.live.events import LiveEvent, decode_events
from api.live.models import GapReason
from api.webhooks.schemas import read_stored_filter
from outlets.cloud_event import CloudEvent, WebhookMessage, build_message, cloud_event, to_documents
from outlets.metrics import OutletMetrics
from outlets.retry_policy import WebhookRetryPolicy
from outlets.webhook_sender import WebhookSender
from runtime.clock import Clock
from storage.stores.webhooks import DeadLetter, Webhook, WebhookProgress
from twin.errors import ServiceError

log = logging.getLogger(__name__)

MESSAGE_EVENTS_MAX = 100
"""Events in one message."""

_PAUSE_S = 0.5

# Gaps that matter to readers of a live stream only: a delivery reads again from its own cursor.
_TRANSIENT_GAPS = {GapReason.TOO_SLOW, GapReason.LOG_UNREADABLE}


class _GapData(msgspec.Struct):
    reason: GapReason


_decode_gap = msgspec.json.Decoder(_GapData).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDependencies:
    """The services and options that all deliveries share."""

    streams: EventStreams
    sender: WebhookSender
    policy: WebhookRetryPolicy
    rng: Random
    clock: Clock
    metrics: OutletMetrics
    #: stores a dead letter of a webhook; raises ServiceError while the database is unavailable
    add_dead_letter: Callable[[str, DeadLetter], Awaitable[None]]
    #: whether this process may send and store progress; False as soon as another one may
    may_send: Callable[[], bool] = lambda: True


class WebhookDelivery:
    """Reads the live stream as a subscriber, and advances its cursor with each delivered message.

    While a message fails, the stream is closed and later events stay in the log. So a hanging receiver costs
    the memory of one message, and delays no other webhook.
    """

    def __init__(self, webhook: Webhook, dependencies: DeliveryDependencies) -> None:
        self.webhook = webhook
        self.progress: WebhookProgress = webhook.progress
        self.progress_changed = False  #: whether the progress changed since it was stored
        self._dependencies = dependencies
        self._hub = dependencies.streams.hub
        filter = read_stored_filter(webhook.filter)
        self._wanted = filter.filter()
        self._events = frozenset(filter.events or ("state", "alarm"))
        self._retry_after_s: float | None = None

    async def run(self) -> None:
        """Deliver until cancelled, or until the webhook is disabled because its receiver is gone."""
        if not self.progress.cursor and "snapshot" not in self._events:
            self._update_progress(cursor=encode_cursor(self._hub.cursor()))
        while self.progress.state == "active":
            failed = await self._deliver()
            if failed is not None:
                await self._retry(failed)

    async def _deliver(self) -> WebhookMessage | None:
        """Deliver events until a message fails, and return it; None when the stream must be opened again."""
        streams, start = self._dependencies.streams, self.progress.cursor
        cursor = decode_cursor(self._resume_cursor(start)) if start else None
        with streams.open_subscriber(self._wanted) as subscriber:
            async with aclosing(streams.frames(subscriber, self._events, cursor)) as chunks:
                async for chunk in chunks:
                    for events in _split_events(
                        decode_events(chunk), 1 if self._single else MESSAGE_EVENTS_MAX
                    ):
                        if events[0].name == "gap" and _decode_gap(events[0].data).reason in _TRANSIENT_GAPS:
                            await asyncio.sleep(_PAUSE_S)
                            return None
                        message = build_message(self._cloud_events(events), self.webhook.mode)
                        if not await self._attempt(message):
                            return message
                        if events[0].name == "gap" and "snapshot" not in self._events:
                            # After a gap the stream sends a snapshot. Without snapshots, changes since the
                            # gap would be missing, so it is opened again at the cursor.
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
        """Return the cursor to resume from.

        After a gap a subscriber gets a snapshot; without snapshots it gets the changes after the gap.
        """
        if "snapshot" in self._events:
            return cursor
        decoded = decode_cursor(cursor)
        return (
            encode_cursor(msgspec.structs.replace(decoded, partial=False, after=None))
            if decoded.partial
            else cursor
        )

    async def _retry(self, message: WebhookMessage) -> None:
        """Retry a failed message until it is delivered or a dead letter, or its receiver is gone."""
        policy, rng, clock = self._dependencies.policy, self._dependencies.rng, self._dependencies.clock
        while self.progress.state == "active":
            since = self.progress.failing_since
            if since is None or policy.is_exhausted(self.progress.failures, since, clock()):
                await self._dead_letter(message)
                return
            await asyncio.sleep(policy.delay_s(self.progress.failures, rng, self._retry_after_s))
            if await self._attempt(message):
                return

    async def _attempt(self, message: WebhookMessage) -> bool:
        """Send a message once; return whether it was delivered."""
        while not self._dependencies.may_send():  # noqa: ASYNC110 - this delivery is about to be cancelled
            await asyncio.sleep(_PAUSE_S)
        result = await self._dependencies.sender.send(self.webhook.url, self.webhook.secret, message)
        self._dependencies.metrics.webhook_messages.labels(result.result).inc()
        now = self._dependencies.clock()
        if result.result == "delivered":
            self._dependencies.metrics.webhook_events.inc(len(message.events))
            self._advance(message)
            self._update_progress(last_error="", delivered=now)
            return True
        self._retry_after_s = result.retry_after_s
        self._update_progress(
            failures=self.progress.failures + 1,
            failing_since=self.progress.failing_since or now,
            last_error=result.detail,
        )
        if result.result == "gone":
            log.warning(
                "webhook %s is disabled: %s",
                self.webhook.id,
                result.detail,
                extra={"event": "outlets.webhook_disabled", "webhook": self.webhook.id},
            )
            self._update_progress(state="disabled", reason=result.detail)
        elif self.progress.failures == 1:
            log.warning(
                "webhook %s fails: %s",
                self.webhook.id,
                result.detail,
                extra={"event": "outlets.webhook_failed", "webhook": self.webhook.id},
            )
        return False

    async def _dead_letter(self, message: WebhookMessage) -> None:
        """Store a message as a dead letter, and continue after it."""
        dead_letter = DeadLetter(
            number=0,
            died=self._dependencies.clock(),
            tries=self.progress.failures,
            error=self.progress.last_error,
            cursor=self.progress.cursor,
            events=to_documents(message.events),
        )
        while True:
            try:
                await self._dependencies.add_dead_letter(self.webhook.id, dead_letter)
                break
            except ServiceError:
                await asyncio.sleep(_PAUSE_S)
        log.error(
            "webhook %s: %d events are given up: %s",
            self.webhook.id,
            len(message.events),
            dead_letter.error,
            extra={
                "event": "outlets.webhook_dead_letter",
                "webhook": self.webhook.id,
                "events": len(message.events),
            },
        )
        self._dependencies.metrics.webhook_messages.labels("dead").inc()
        self._advance(message)

    def _advance(self, message: WebhookMessage) -> None:
        self._update_progress(cursor=message.cursor, failures=0, failing_since=None)

    def _update_progress(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]
        self.progress_changed = True


def _split_events(events: Sequence[LiveEvent], size: int) -> Iterator[Sequence[LiveEvent]]:
    """Yield events in portions of at most `size`; a gap is a portion of its own.

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
