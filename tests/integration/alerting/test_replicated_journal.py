"""The journal in the log: a copy has what is confirmed, and only that is published."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import closing, suppress
from pathlib import Path

import pytest

from alerting.incidents.journal import DutyJournal, JournalChange
from alerting.standby.journal_updates import JournalCopy
from alerting.standby.replicated_journal import ReplicatedJournal
from runtime.clock import system_boot_clock
from runtime.lease.lease_log import TAKEOVER_S, LeaseLostError, LeaseOptions, open_lease_log
from runtime.lease.lease_records import LeaseRecord
from tests.support.pipelines.duty_loop import DutyLoop, duty_alarm
from tests.support.waiting import until
from twin.instant import MINUTE

pytestmark = pytest.mark.embedded


def options(kafka: str, name: str, *, is_heir: bool = False) -> LeaseOptions:
    return LeaseOptions(kafka=kafka, topic="duty-journal", member=name, incarnation="1", is_heir=is_heir)


def changes_of_an_incident() -> list[JournalChange]:
    """Return what the duty loop writes while it notifies people."""
    changes: list[JournalChange] = []
    loop = DutyLoop()
    loop._keep = changes.append  # type: ignore[method-assign,assignment]
    loop.on_alarms(duty_alarm())
    loop.advance(25 * MINUTE)
    return [change for change in changes if change.events]


def ignore(_: LeaseRecord) -> None:
    return


async def test_a_copy_has_what_the_working_process_has_confirmed(kafka: str, tmp_path: Path) -> None:
    with (
        closing(DutyJournal(tmp_path / "east.sqlite")) as east,
        closing(DutyJournal(tmp_path / "west.sqlite")) as west,
    ):
        copy = JournalCopy(west)
        async with open_lease_log(options(kafka, "east", is_heir=True), lambda: 0.0, ignore) as lease:
            await lease.take()
            replicated = ReplicatedJournal(east, lease, deque())
            sending = asyncio.create_task(replicated.run())
            for change in changes_of_an_incident():
                replicated.write(change)
                await replicated.wait()
            replicated.mark_published([number for number, _ in replicated.unpublished(2)])
            replicated.finish()
            await sending

            def follow(record: LeaseRecord) -> None:
                copy.apply(record.payload)

            async with open_lease_log(options(kafka, "west"), lambda: 0.0, follow) as reader:
                await reader.until_caught_up()
        assert west.read() == east.read()
        assert west.read().incidents
        assert west.unpublished(100) == east.unpublished(100)


async def test_what_another_process_does_not_know_is_not_published(kafka: str, tmp_path: Path) -> None:
    leap = [0.0]
    with closing(DutyJournal(tmp_path / "east.sqlite")) as east:
        async with (
            open_lease_log(options(kafka, "east", is_heir=True), lambda: 0.0, ignore) as lease,
            open_lease_log(options(kafka, "west"), lambda: system_boot_clock() + leap[0], ignore) as other,
        ):
            await lease.take()
            replicated = ReplicatedJournal(east, lease, deque())
            first, second, *_ = changes_of_an_incident()
            replicated.write(first)
            assert replicated.unpublished(100) == [], "the log does not have it yet"
            sending = asyncio.create_task(replicated.run())
            await replicated.wait()
            assert len(replicated.unpublished(100)) == len(first.events)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await until(lambda: other.order.last == lease.order.last, lambda: other.order.last)
            leap[0] += TAKEOVER_S
            await other.take()
            await until(lambda: lease.order.owner.startswith("west"), lambda: lease.order.owner)
            replicated.write(second)
            with suppress(LeaseLostError):
                await replicated.run()
            assert len(replicated.unpublished(100)) == len(first.events)
            assert len(east.unpublished(100)) == len(first.events) + len(second.events)
            assert not replicated.is_valid()
