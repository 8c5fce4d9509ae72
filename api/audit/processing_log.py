"""Sends the readings of personal data in the audit log to the city's collector of processing logs.

Form: Logboek Dataverwerkingen, see `runtime.telemetry.processing_spans`. The audit log is the outbox: what
the collector has not confirmed is sent again, by whichever process of the api comes first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from api.database import Database
from api.http.problems import ProblemError
from api.metrics import ApiMetrics
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.telemetry.processing_record import ProcessingRecord
from storage.stores.audit_log import StoredAuditEntry, mark_sent, take_unsent_readings

log = logging.getLogger(__name__)

POLL_S = 2.0
BATCH_MAX = 100
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 60.0


class Sender(Protocol):
    """Sends records to a collector."""

    def send(self, records: Sequence[ProcessingRecord], /) -> bool:
        """Send records; return whether the collector has confirmed all of them. Blocks for some seconds."""

    def close(self) -> None:
        """Close the connection."""


class ProcessingLog:
    """Sends what is not sent yet; `run` is one task."""

    def __init__(self, database: Database, sender: Sender, clock: Clock, metrics: ApiMetrics) -> None:
        self._database = database
        self._sender = sender
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        """Send records until cancelled."""
        backoff = Backoff(first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
        try:
            while True:
                try:
                    is_more = await self.send_batch()
                except ProblemError as problem:
                    log.warning(
                        "readings of personal data are not sent to the collector: %s",
                        problem.detail,
                        extra={"event": "audit.not_sent"},
                    )
                    await asyncio.sleep(backoff.next_s())
                    continue
                backoff.reset()
                if not is_more:
                    await asyncio.sleep(POLL_S)
        finally:
            self._sender.close()

    async def send_batch(self) -> bool:
        """Send the oldest records; return whether there may be more.

        Raises ProblemError when the database is unavailable or the collector does not confirm them.
        """
        async with self._database.connection() as connection, connection.transaction():
            taken = await take_unsent_readings(connection, BATCH_MAX)
            if not taken:
                return False
            records = [_record(one) for one in taken]
            # The rows are locked meanwhile, for as long as an attempt may take.
            if not await asyncio.to_thread(self._sender.send, records):
                raise ProblemError(HTTPStatus.BAD_GATEWAY, "the collector did not confirm them")
            await mark_sent(connection, [one.id for one in taken], self._clock())
        self._metrics.processing_records.inc(len(taken))
        return len(taken) == BATCH_MAX


def _record(stored: StoredAuditEntry) -> ProcessingRecord:
    entry = stored.entry
    parent = entry.parent_span_id
    return ProcessingRecord(
        name=entry.operation,
        time=entry.time,
        trace_id=int.from_bytes(entry.trace_id),
        span_id=int.from_bytes(entry.span_id),
        parent_span_id=int.from_bytes(parent) if parent is not None else None,
        subjects=entry.households,
    )
