"""The post: tries to send messages, each in a thread of its own, bounded for each channel.

A channel that hangs keeps its own threads, not those of others. A try that does not end in time is doubtful:
it is not made again, since the message may get there yet, and its thread counts against its channel
until it ends.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, sign_link
from alerting.delivery.channels import ChannelMessage, ChannelResult, ChannelSender
from alerting.delivery.retry_policy import AttemptResult
from alerting.messages.message_text import MessageText
from alerting.messages.outgoing_message import OutgoingMessage
from twin.instant import HOUR, Duration, Instant
from twin.model.duty import DutyPlan, NotificationChannel

CHANNEL_THREADS_MAX = 4
"""Tries of one channel at one time."""

STOP_S_MAX = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """How messages are sent."""

    base_url: str  #: of the links
    link_key: bytes
    link_valid: Duration = 72 * HOUR
    attempt_timeout_s: float


class DeliveryPool:
    """Sends messages and tells `as_ended` how each try ended; owned by the task that calls it."""

    def __init__(
        self, channels: ChannelSender, options: DeliveryOptions, ended: Callable[[AttemptResult], None]
    ) -> None:
        self._channels = channels
        self._options = options
        self._ended = ended
        self._busy: Counter[str] = Counter()
        self._tries: set[asyncio.Task[None]] = set()

    def free_slots(self, channel: str) -> int:
        """Return how many tries of a channel may begin."""
        return CHANNEL_THREADS_MAX - self._busy[channel]

    def start_attempt(self, message: OutgoingMessage, plan: DutyPlan, now: Instant) -> None:
        """Begin a try. What the journal says of the message must be on the disk."""
        task = asyncio.create_task(self._try(message, plan, now), name=f"message {message.id}")
        self._tries.add(task)
        task.add_done_callback(self._tries.discard)

    async def close(self) -> None:
        """Wait a while for the tries under way; those that do not end are doubtful at the next start."""
        if self._tries:
            await asyncio.wait(self._tries, timeout=STOP_S_MAX)
        for one in list(self._tries):
            one.cancel()

    async def _try(self, message: OutgoingMessage, plan: DutyPlan, now: Instant) -> None:
        channel = next((one for one in plan.channels if one.id == message.send.channel), None)
        if channel is None:
            reason = f"channel {message.send.channel} is not in the duty plan any more"
            self._ended(AttemptResult(message.id, False, reason, final=True))
            return
        receipt = await self._hand_over(channel, self._letter(message, plan, now))
        self._ended(
            AttemptResult(message.id, receipt.sent, receipt.detail, receipt.final, doubtful=receipt.doubtful)
        )

    async def _hand_over(self, channel: NotificationChannel, letter: ChannelMessage) -> ChannelResult:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[ChannelResult] = loop.create_future()

        def finish(receipt: ChannelResult) -> None:
            self._busy[channel.id] -= 1
            if not done.done():
                done.set_result(receipt)

        def work() -> None:
            receipt = self._channels.send(channel, letter)
            try:
                loop.call_soon_threadsafe(finish, receipt)
            except RuntimeError:
                return  # the loop has ended: nobody waits for it any more

        self._busy[channel.id] += 1
        # A daemon: a try that hangs must not keep the process from ending.
        threading.Thread(target=work, name=f"channel {channel.id}", daemon=True).start()
        timeout_s = self._options.attempt_timeout_s
        try:
            return await asyncio.wait_for(asyncio.shield(done), timeout_s)
        except TimeoutError:
            return ChannelResult(False, f"no answer within {timeout_s:g} s", doubtful=True)

    def _letter(self, message: OutgoingMessage, plan: DutyPlan, now: Instant) -> ChannelMessage:
        send, said = message.send, message.wording
        return ChannelMessage(
            notification=message.id,
            incident=send.incident,
            kind=send.kind,
            contact=send.contact,
            address=_address(message, plan),
            title=said.title,
            body=said.body,
            short=said.short,
            severity=said.severity,
            link=self._link(message, said, now),
        )

    def _link(self, message: OutgoingMessage, said: MessageText, now: Instant) -> str:
        if not said.answer_label:
            return ""
        link = AcknowledgeLink(message.send.incident, message.send.contact, now + self._options.link_valid)
        token = sign_link(self._options.link_key, link)
        return f"{said.answer_label}: {self._options.base_url.rstrip('/')}{LINK_PATH}{token}"


def _address(message: OutgoingMessage, plan: DutyPlan) -> str:
    """Return where the contact is reached now: a plan that was put right counts for what waits, too."""
    send = message.send
    if send.kind == "watchdog" and plan.watchdog is not None:
        return plan.watchdog[1]
    contact = next((one for one in plan.contacts if one.id == send.contact), None)
    return contact.addresses.get(send.channel, "") if contact is not None else ""
