"""Attempts to send messages, each in a thread of its own, bounded for each channel and each contact in it.

A channel that hangs blocks its own threads, not those of others; an address that hangs blocks those of its
contact. An attempt that does not end in time is doubtful. It is not repeated, since the message may still
arrive. Its thread is in use until it ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, sign_link
from alerting.delivery.channels import ChannelSender
from alerting.delivery.reply_codes import reply_code
from alerting.incidents.incident_state import Recipient
from alerting.messages.channel_fit import fit_message
from alerting.messages.outgoing_message import NOT_SENT_DETAIL, AttemptKey, AttemptResult, OutgoingMessage
from twin.instant import HOUR, Duration, Instant
from twin.model.duty import DutyPlan, NotificationChannel, PushSubscription

CHANNEL_THREADS_MAX = 32
"""The most attempts of one channel at one time."""

CONTACT_THREADS_MAX = 4
"""The most of them to one contact."""

STOP_S_MAX = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """Options for sending messages."""

    base_url: str  #: of the links
    link_key: bytes
    link_valid: Duration = 72 * HOUR
    attempt_timeout_s: float


class SendPermit(Protocol):
    """Whether this process is the one that sends, where a standby may take over from it."""

    unsent: deque[AttemptKey]
    """Attempts of this process that handed nothing over, which the journal of another one does not know."""

    async def wait(self) -> None:
        """Return when a standby knows of every attempt that is in the journal by now."""

    def is_valid(self) -> bool:
        """Return whether a message may be handed over now; called by the thread of the attempt."""


def start_thread(work: Callable[[], None], name: str) -> None:
    """Run `work` in a daemon thread: an attempt that hangs must not keep the process from ending."""
    threading.Thread(target=work, name=name, daemon=True).start()


class MessageAnswer(NamedTuple):
    """How a contact acknowledges what a message told."""

    link: str  #: with its label; empty: there is nothing to acknowledge
    code: str  #: of a reply; empty: the channel takes none


class DeliveryPool:
    """Sends messages, and calls `on_result` with the result of each attempt. Owned by the calling task.

    Without a `permit` there is no standby. `start` starts an attempt beside the caller, by its work and name.
    """

    def __init__(
        self,
        channels: ChannelSender,
        options: DeliveryOptions,
        on_result: Callable[[AttemptResult], None],
        permit: SendPermit | None = None,
        start: Callable[[Callable[[], None], str], None] = start_thread,
    ) -> None:
        self._start = start
        self._channels = channels
        self._options = options
        self._on_result = on_result
        self._permit = permit
        self._busy: Counter[str | Recipient] = Counter()
        self._attempts: set[asyncio.Task[None]] = set()
        self._waits: set[asyncio.Future[None]] = set()  #: of attempts that wait for the permit

    def reserve(self, message: OutgoingMessage) -> bool:
        """Reserve a thread for an attempt; return False while the channel or the contact has none left."""
        channel, recipient = message.request.channel, message.recipient
        if self._busy[channel] >= CHANNEL_THREADS_MAX or self._busy[recipient] >= CONTACT_THREADS_MAX:
            return False
        self._busy[channel] += 1
        self._busy[recipient] += 1
        return True

    def start_attempt(self, message: OutgoingMessage, plan: DutyPlan, now: Instant) -> None:
        """Start an attempt in its reserved thread. The journal must have written it as one being sent."""
        task = asyncio.create_task(self._attempt(message, plan, now), name=f"message {message.id}")
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)

    async def close(self) -> None:
        """Wait a while for running attempts; those that do not end are doubtful after the next start.

        Those that still wait for the permit have handed nothing over: they get that as their result.
        """
        if self._permit is not None and not self._permit.is_valid():
            _cancel(self._waits)
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=STOP_S_MAX)
        attempts = _cancel(self._attempts)
        await asyncio.gather(*attempts, return_exceptions=True)

    async def _attempt(self, message: OutgoingMessage, plan: DutyPlan, now: Instant) -> None:
        id = message.request.channel
        channel = next((channel for channel in plan.channels if channel.id == id), None)
        if channel is None:
            self._release(message)
            detail = f"channel {id} is not in the duty plan any more"
            self._on_result(AttemptResult(message.id, False, detail, final=True))
            return
        if message.parts or message.hand_over is not None:
            message = fit_message(message, self._channels.body_characters(channel))
        if self._permit is not None:
            await self._wait_for_permit(self._permit, message)
        address, link = _address(message, plan), self._link(message, now)
        code = reply_code(self._options.link_key, message.id) if message.answerable else ""
        answer = MessageAnswer(link, code)
        self._on_result(await self._send(channel, message, address, answer, plan.push_subscriptions))

    async def _wait_for_permit(self, permit: SendPermit, message: OutgoingMessage) -> None:
        waiting = asyncio.ensure_future(permit.wait())
        self._waits.add(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            self._release(message)
            self._on_result(_not_sent(permit, message))
            raise
        finally:
            self._waits.discard(waiting)

    async def _send(
        self,
        channel: NotificationChannel,
        message: OutgoingMessage,
        address: str,
        answer: MessageAnswer,
        subscriptions: Sequence[PushSubscription],
    ) -> AttemptResult:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[AttemptResult] = loop.create_future()

        def finish(result: AttemptResult) -> None:
            self._release(message)
            if not done.done():
                done.set_result(result)

        def send() -> None:
            if self._permit is None or self._permit.is_valid():
                result = self._channels.send(
                    channel, message, address, answer.link, code=answer.code, subscriptions=subscriptions
                )
            else:
                result = _not_sent(self._permit, message)
            try:
                loop.call_soon_threadsafe(finish, result)
            except RuntimeError:
                return  # the loop has ended: nothing waits for the result any more

        self._start(send, f"channel {channel.id}")
        timeout_s = self._options.attempt_timeout_s
        try:
            return await asyncio.wait_for(asyncio.shield(done), timeout_s)
        except TimeoutError:
            return AttemptResult(message.id, False, f"no answer within {timeout_s:g} s", doubtful=True)

    def _release(self, message: OutgoingMessage) -> None:
        for key in (message.request.channel, message.recipient):
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]

    def _link(self, message: OutgoingMessage, now: Instant) -> str:
        """Return the acknowledge link with its label; empty if there is nothing to acknowledge."""
        label, request = message.text.answer_label, message.request
        if not label:
            return ""
        expires = now + self._options.link_valid
        link = AcknowledgeLink(request.incident, request.contact, expires, message.occurrences)
        token = sign_link(self._options.link_key, link)
        return f"{label}: {self._options.base_url.rstrip('/')}{LINK_PATH}{token}"


def _cancel(futures: Iterable[asyncio.Future[None]]) -> list[asyncio.Future[None]]:
    cancelled = list(futures)
    for future in cancelled:
        future.cancel()
    return cancelled


def _address(message: OutgoingMessage, plan: DutyPlan) -> str:
    """Return the contact's present address: a corrected plan applies to waiting messages, too."""
    request = message.request
    if request.kind == "watchdog" and plan.watchdog is not None:
        return plan.watchdog[1]
    contact = next((contact for contact in plan.contacts if contact.id == request.contact), None)
    return contact.addresses.get(request.channel, "") if contact is not None else ""


def _not_sent(permit: SendPermit, message: OutgoingMessage) -> AttemptResult:
    """Keep that an attempt has handed nothing over, and return its result; from any thread."""
    permit.unsent.append(message.attempt_key)
    return AttemptResult(message.id, False, NOT_SENT_DETAIL)
