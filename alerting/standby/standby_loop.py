"""The loop of an alerting that may have a standby: follow the one that works, take over, work, and again.

Taking over is a restart with the journal of the other host: what it had recorded as being sent is doubtful.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from alerting.delivery.channels import load_channels
from alerting.delivery.delivery_pool import SendPermit
from alerting.incidents.journal import DutyJournal, Journal
from alerting.messages.outgoing_message import AttemptKey
from alerting.metrics import AlertingMetrics
from alerting.standby.journal_updates import JournalCopy
from alerting.standby.replicated_journal import ReplicatedJournal
from runtime.clock import BootClock, system_boot_clock
from runtime.kafka.access import Kafka
from runtime.kafka.topics import DUTY_JOURNAL
from runtime.lease.lease_log import LeaseLog, LeaseLostError, LeaseOptions, open_lease_log
from runtime.lease.lease_records import LeaseRecord
from runtime.model_source import CityModelSource, FollowedModel
from runtime.readiness import notify_ready
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

FINISH_S_MAX = 3.0
"""How long a process that ends waits until the log has its last changes."""

UNSENT_MAX = 10_000
"""The newest of the attempts that handed nothing over; more of them are doubtful after another turn."""


class DutyService(Protocol):
    """The duty loop of one turn of work."""

    async def run(self, models: CityModelSource) -> None:
        """Run until cancelled."""


ServiceFactory = Callable[[Journal, CityModel, SendPermit | None], DutyService]


async def run_with_standby(
    kafka: Kafka,
    journal: DutyJournal,
    models: FollowedModel,
    new_service: ServiceFactory,
    metrics: AlertingMetrics,
    *,
    clock: BootClock = system_boot_clock,
) -> None:
    """Follow or work until cancelled."""
    load_channels()
    # Of all turns: the log, from which a turn reads the journal, may know only that they began.
    unsent: deque[AttemptKey] = deque(maxlen=UNSENT_MAX)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(models.run(), name="model")
        while True:
            options = LeaseOptions(
                kafka=kafka,
                topic=DUTY_JOURNAL,
                member=journal.member(),
                # A new one for each turn: a late record of the turn before may arrive on another log.
                incarnation=secrets.token_hex(4),
                is_heir=journal.is_heir,
            )
            copy = JournalCopy(journal)

            def follow(record: LeaseRecord, copy: JournalCopy = copy) -> None:
                copy.apply(record.payload)

            try:
                async with open_lease_log(options, clock, follow) as lease:
                    await _take(lease, options.owner, copy)
                    journal.set_heir(True)
                    metrics.working.set(1)
                    try:
                        await _work(lease, ReplicatedJournal(journal, lease, unsent), models, new_service)
                    finally:
                        metrics.reset()
            except* LeaseLostError as errors:
                log.warning(
                    "this alerting does not work any more, it is the standby: %s",
                    errors.exceptions[0],
                    extra={"event": "alerting.superseded"},
                )


async def _take(lease: LeaseLog, owner: str, copy: JournalCopy) -> None:
    """Wait until this process is the one that works."""
    log.info("this alerting is the standby", extra={"event": "alerting.standby", "owner": owner})
    taking = asyncio.ensure_future(lease.take())
    try:
        await lease.until_caught_up()
        notify_ready()
        before = await taking
    finally:
        taking.cancel()
    if before and not copy.is_whole:
        log.error(
            "the topic %s has no whole journal: continuing with the one of this host, which may be older. "
            "Keep the records of the topic for a day",
            DUTY_JOURNAL,
            extra={"event": "alerting.journal_incomplete"},
        )
    log.warning(
        "this alerting works now%s",
        f", in the place of {before}" if before else "",
        extra={"event": "alerting.took_over", "owner": owner, "before": before},
    )


async def _work(
    lease: LeaseLog, replicated: ReplicatedJournal, models: FollowedModel, new_service: ServiceFactory
) -> None:
    """Run the duty loop until cancelled, which gives up the lease, or until another process works."""
    service = new_service(replicated, await models.load(), replicated)
    sending = asyncio.create_task(replicated.run(), name="journal")
    working = asyncio.create_task(service.run(models), name="service")
    try:
        await asyncio.wait((sending, working), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        replicated.finish()
        with suppress(TimeoutError, LeaseLostError):
            async with asyncio.timeout(FINISH_S_MAX):
                await sending
                await lease.release()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    for task in (sending, working):
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
