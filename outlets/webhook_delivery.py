"""The delivery of one webhook: messages in order, each retried until it is delivered or a dead letter."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import Random

import msgspec

from api.live.cursor import decode_cursor, encode_cursor
from api.live.event_stream import EventStreams
from api.live.events import LiveEvent, decode_events
from api.live.models import GapReason
from api.webhooks.cloud_event import EventSource, cloud_event, to_documents
from api.webhooks.schemas import read_stored_filter
from outlets.metrics import OutletMetrics
from outlets.retry_policy import WebhookRetryPolicy
from outlets.webhook_message import BatchLimits, EncodedEvent, EventBatch, WebhookMessage, encode_event
from outlets.webhook_sender import WebhookSender
from runtime.clock import Clock
from storage.stores.webhooks import DeadLetter, Webhook, WebhookProgress
from twin.errors import ServiceError
from twin.instant import Instant

log = logging.getLogger(__name__)

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
    source: EventSource
    policy: WebhookRetryPolicy
    rng: Random
    clock: Clock
    metrics: OutletMetrics
    batch_s: float  #: how long the events of a batch wait for others; not those of the format `livetwin`
    #: stores a dead letter of a webhook; raises ServiceError while the database is unavailable
    add_dead_letter: Callable[[str, DeadLetter], Awaitable[None]]
    #: whether this process may send and store progress; False as soon as another one may
    may_send: Callable[[], bool] = lambda: True


class WebhookDelivery:
    """Reads the live stream as a subscriber, and advances its cursor with each delivered message.

    A receiver that must consent is asked before the first message, and gets no more requests than it allows.

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
        self._next_request_s = 0.0  # on the clock of the event loop
        waits = webhook.mode == "batch" and webhook.format != "livetwin"
        self._limits = BatchLimits(wait_s=dependencies.batch_s if waits else 0.0)
        if webhook.mode == "single":
            self._limits = self._limits._replace(events_max=1)

    async def run(self) -> None:
        """Deliver until cancelled, or until the webhook is disabled because its receiver is gone."""
        if not self.progress.cursor and "snapshot" not in self._events:
            self._update_progress(cursor=encode_cursor(self._hub.cursor()))
        if self.webhook.handshake and self.progress.consented is None:
            await self._obtain_consent()
        while self.progress.state == "active":
            failed = await self._deliver()
            if failed is not None:
                await self._retry(failed)

    async def _obtain_consent(self) -> None:
        """Ask the receiver until it answers; disable the webhook when it refuses or never answers."""
        policy, clock = self._dependencies.policy, self._dependencies.clock
        while self.progress.state == "active":
            await self._wait_for_turn()
            answer = await self._dependencies.sender.request_consent(self.webhook.url)
            self._dependencies.metrics.webhook_handshakes.labels(answer.result).inc()
            now = clock()
            if answer.result == "granted":
                self._update_progress(
                    consented=now,
                    rate_max=answer.rate_max,
                    failures=0,
                    failing_since=None,
                    last_error="",
                )
                return
            since = self._count_failure(answer.detail, now)
            if answer.result == "refused" or policy.is_exhausted(self.progress.failures, since, now):
                self._disable(answer.detail)
                return
            self._log_first_failure()
            await asyncio.sleep(
                policy.delay_s(self.progress.failures, self._dependencies.rng, answer.retry_after_s)
            )

    async def _deliver(self) -> WebhookMessage | None:
        """Deliver events until a message fails, and return it; None when the stream must be opened again."""
        streams, start = self._dependencies.streams, self.progress.cursor
        cursor = decode_cursor(self._resume_cursor(start)) if start else None
        batch, previous = EventBatch(self._limits), start
        with streams.open_subscriber(self._wanted) as subscriber:
            async with (
                aclosing(streams.frames(subscriber, self._events, cursor)) as frames,
                aclosing(timed_chunks(frames, lambda: self._patience_s(batch))) as chunks,
            ):
                async for chunk in chunks:
                    for live in decode_events(chunk):
                        if live.name == "gap" and _decode_gap(live.data).reason in _TRANSIENT_GAPS:
                            await asyncio.sleep(_PAUSE_S)
                            return None  # what the batch has is read again
                        event = self._encode(live, previous)
                        previous = event.event.cursor
                        if not batch.accepts(event) and (failed := await self._send(batch)) is not None:
                            return failed
                        batch.add(event, _now_s())
                        if batch.is_full and (failed := await self._send(batch)) is not None:
                            return failed
                        if live.name == "gap" and "snapshot" not in self._events:
                            # After a gap the stream sends a snapshot. Without snapshots, changes since the
                            # gap would be missing, so it is opened again at the cursor.
                            return None
                    if self._patience_s(batch) == 0.0 and (failed := await self._send(batch)) is not None:
                        return failed
        return None

    def _patience_s(self, batch: EventBatch) -> float | None:
        """Return how long a batch may wait for more events; None when it has none yet.

        While the receiver allows no request, waiting costs nothing.
        """
        if not batch:
            return None
        return max(0.0, batch.due_s - _now_s(), self._next_request_s - _now_s())

    def _encode(self, event: LiveEvent, previous_cursor: str) -> EncodedEvent:
        resumed = event._replace(cursor=self._resume_cursor(event.cursor))
        return encode_event(
            event.name,
            cloud_event(resumed, self._dependencies.source, self.webhook.format, previous_cursor),
        )

    async def _send(self, batch: EventBatch) -> WebhookMessage | None:
        """Send the message of a batch; return it if it failed."""
        message = batch.take_message(self.webhook.mode)
        return None if await self._attempt(message) else message

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
        await self._wait_for_turn()
        result = await self._dependencies.sender.send(
            self.webhook.url, self.webhook.secret, message, names_origin=self.webhook.format != "livetwin"
        )
        self._dependencies.metrics.webhook_messages.labels(result.result).inc()
        now = self._dependencies.clock()
        if result.result == "delivered":
            self._dependencies.metrics.webhook_events.inc(len(message.events))
            self._advance(message)
            self._update_progress(last_error="", delivered=now)
            return True
        self._retry_after_s = result.retry_after_s
        self._count_failure(result.detail, now)
        if result.result == "gone":
            self._disable(result.detail)
        else:
            self._log_first_failure()
        return False

    async def _wait_for_turn(self) -> None:
        """Wait until the receiver allows a request, and this process may send."""
        pause_s = self._next_request_s - _now_s()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        while not self._dependencies.may_send():  # noqa: ASYNC110 - this delivery is about to be cancelled
            await asyncio.sleep(_PAUSE_S)
        if self.progress.rate_max:
            self._next_request_s = _now_s() + 60 / self.progress.rate_max

    def _count_failure(self, detail: str, now: Instant) -> Instant:
        """Count a failed attempt; return since when attempts fail."""
        since = self.progress.failing_since or now
        failures = self.progress.failures + 1
        self._update_progress(failures=failures, failing_since=since, last_error=detail)
        return since

    def _log_first_failure(self) -> None:
        if self.progress.failures == 1:
            log.warning(
                "webhook %s fails: %s",
                self.webhook.id,
                self.progress.last_error,
                extra={"event": "outlets.webhook_failed", "webhook": self.webhook.id},
            )

    def _disable(self, reason: str) -> None:
        log.warning(
            "webhook %s is disabled: %s",
            self.webhook.id,
            reason,
            extra={"event": "outlets.webhook_disabled", "webhook": self.webhook.id},
        )
        self._update_progress(state="disabled", reason=reason)

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


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def timed_chunks(
    frames: AsyncGenerator[bytes, None], wait_s: Callable[[], float | None]
) -> AsyncGenerator[bytes, None]:
    """Yield what a stream yields, and b"" after `wait_s` seconds without anything; None waits for ever.

    The stream goes on after that: its next item is awaited in a task.
    """
    awaited: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            if awaited is None:
                awaited = asyncio.create_task(_next_or_none(frames))
            await asyncio.wait({awaited}, timeout=wait_s())
            if not awaited.done():
                yield b""
                continue
            frame, awaited = awaited.result(), None
            if frame is None:
                return
            yield frame
    finally:
        if awaited is not None:
            awaited.cancel()
            await asyncio.gather(awaited, return_exceptions=True)


async def _next_or_none(frames: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(frames, None)
