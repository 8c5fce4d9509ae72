"""Outlets that may have a standby: both follow the log, and the one with the lease publishes and delivers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from outlets.metrics import OutletMetrics
from runtime.clock import system_boot_clock
from runtime.kafka.access import Kafka
from runtime.kafka.topics import OUTLETS_LEASE
from runtime.lease.lease_log import BEAT_S, LeaseLog, LeaseLostError, LeaseOptions, open_lease_log

log = logging.getLogger(__name__)

CHECK_S = 0.2
"""How often the work is checked to be still that of this process."""

RELEASE_S_MAX = 2.0


class OutletsTurn:
    """Whether this process publishes and delivers now."""

    def __init__(self) -> None:
        self._lease: LeaseLog | None = None
        self._is_alone = False

    def begin_alone(self) -> None:
        """Work without a standby."""
        self._is_alone = True

    def begin(self, lease: LeaseLog) -> None:
        """Work as long as a lease is held."""
        self._lease = lease

    def may_send(self) -> bool:
        """Return whether this process may send, and store what it has sent."""
        return self._is_alone or (self._lease is not None and self._lease.is_held())


async def work_in_turn(
    kafka: Kafka, turn: OutletsTurn, work: Callable[[], Awaitable[None]], metrics: OutletMetrics
) -> None:
    """Run `work` whenever this process has the lease, until cancelled."""
    member = secrets.token_hex(8)
    while True:
        options = LeaseOptions(
            kafka=kafka, topic=OUTLETS_LEASE, member=member, incarnation=secrets.token_hex(4)
        )
        try:
            async with open_lease_log(options, system_boot_clock, lambda _record: None) as lease:
                log.info("these outlets are the standby", extra={"event": "outlets.standby"})
                before = await lease.take()
                turn.begin(lease)
                metrics.working.set(1)
                log.warning(
                    "these outlets work now%s",
                    f", in the place of {before}" if before else "",
                    extra={"event": "outlets.took_over", "before": before},
                )
                try:
                    await _work(lease, work)
                finally:
                    metrics.reset()
        except* LeaseLostError as errors:
            log.warning(
                "these outlets do not work any more, they are the standby: %s",
                errors.exceptions[0],
                extra={"event": "outlets.superseded"},
            )


async def _work(lease: LeaseLog, work: Callable[[], Awaitable[None]]) -> None:
    tasks = [asyncio.ensure_future(one) for one in (work(), _send_beats(lease), _until_not_held(lease))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        # First the work, which stores its progress as long as the lease is held.
        for task in tasks:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_S_MAX):
                await lease.release()


async def _send_beats(lease: LeaseLog) -> None:
    base: int | None = None
    while True:
        base = await lease.append(b"", base)  # a new reader needs nothing before this record
        await asyncio.sleep(BEAT_S)


async def _until_not_held(lease: LeaseLog) -> None:
    while lease.is_held():  # noqa: ASYNC110 - time makes it false
        await asyncio.sleep(CHECK_S)
    raise LeaseLostError("the log did not confirm in time that this process works")
