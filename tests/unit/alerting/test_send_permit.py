"""With a standby an attempt begins when the standby knows of it, and only while this process works."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import pytest

from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.delivery.channels import LOG_URL, ChannelSender
from alerting.delivery.delivery_pool import DeliveryOptions, DeliveryPool
from alerting.messages.outgoing_message import AttemptKey, AttemptResult, OutgoingMessage
from tests.support.pipelines.duty_loop import NOON, DutyLoop, duty_alarm, duty_plan
from twin.instant import MINUTE
from twin.model.duty import NotificationChannel

PLAN = duty_plan(
    channels=(NotificationChannel(id="mail", url=LOG_URL), NotificationChannel(id="sms", url=LOG_URL))
)


CLOSE_S_MAX = 20.0
"""More than a pool waits for its attempts."""


class Permit:
    """A permit whose answers a test decides."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.is_known = asyncio.Event()
        self.holds = True
        self.unsent = deque[AttemptKey]()

    async def wait(self) -> None:
        self.is_asked.set()
        await self.is_known.wait()

    def is_valid(self) -> bool:
        return self.holds


def some_message() -> OutgoingMessage:
    loop = DutyLoop(PLAN)
    loop.on_alarms(duty_alarm())
    loop.advance(MINUTE)
    return next(iter(loop.messages.values()))


def new_pool(
    channels: ChannelSender, on_result: Callable[[AttemptResult], None], permit: Permit
) -> DeliveryPool:
    options = DeliveryOptions(base_url="http://town.example", link_key=b"key", attempt_timeout_s=5.0)
    return DeliveryPool(channels, options, on_result, permit)


async def attempt(permit: Permit, caplog: pytest.LogCaptureFixture) -> tuple[AttemptResult, str]:
    """Begin an attempt; return its result, and what was logged before the standby knew of it."""
    results: asyncio.Queue[AttemptResult] = asyncio.Queue()
    channels = ChannelSender(ChannelSecrets({}), 5.0)
    pool = new_pool(channels, results.put_nowait, permit)
    message = some_message()
    try:
        assert pool.reserve(message)
        pool.start_attempt(message, PLAN, NOON)
        asking = asyncio.create_task(permit.is_asked.wait())
        ending = asyncio.create_task(results.get())
        await asyncio.wait((asking, ending), return_when=asyncio.FIRST_COMPLETED)
        before = caplog.text
        permit.is_known.set()
        return await ending, before
    finally:
        channels.close()


async def test_an_attempt_waits_until_the_standby_knows_of_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    permit = Permit()
    result, before = await attempt(permit, caplog)
    assert result.sent
    assert "to first" not in before
    assert "to first" in caplog.text
    assert not permit.unsent


async def test_nothing_is_handed_over_once_another_process_may_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    permit = Permit()
    permit.holds = False
    result, _ = await attempt(permit, caplog)
    assert not result.sent
    assert not result.doubtful, "certainly not handed over: the message may be tried again"
    assert [one.notification for one in permit.unsent] == [result.id]
    assert "to first" not in caplog.text


async def test_an_attempt_that_the_standby_never_knew_of_is_not_doubtful_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log was replaced: another turn of this process, or its successor, sends the message."""
    caplog.set_level("INFO")
    permit, results = Permit(), list[AttemptResult]()
    channels = ChannelSender(ChannelSecrets({}), 5.0)
    pool = new_pool(channels, results.append, permit)
    message = some_message()
    try:
        assert pool.reserve(message)
        pool.start_attempt(message, PLAN, NOON)
        await permit.is_asked.wait()
        permit.holds = False
        async with asyncio.timeout(CLOSE_S_MAX):
            await pool.close()
        assert [(one.id, one.sent, one.doubtful, one.final) for one in results] == [
            (message.id, False, False, False)
        ]
        assert list(permit.unsent) == [message.attempt_key]
        assert pool.reserve(message), "its thread is free again"
    finally:
        channels.close()
    assert "to first" not in caplog.text
