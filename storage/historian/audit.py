"""The audit: at intervals, publishes as metrics whether the ledger balances and how large the database is."""

from __future__ import annotations

import asyncio
import logging

import psycopg

from runtime.cancellation import raise_if_cancelled
from runtime.clock import Clock
from storage.database import Connection, connect
from storage.historian.metrics import HistorianMetrics
from storage.queries import query
from storage.settings import HistorianSettings
from storage.stores.ledger import read_balance
from twin.errors import ServiceError
from twin.instant import SECOND

log = logging.getLogger(__name__)

BACK_OFF_S = 5.0


async def run_audits(settings: HistorianSettings, metrics: HistorianMetrics, clock: Clock) -> None:
    """Audit the ledger every `audit_interval_s` until cancelled; wait for the database."""
    while True:
        try:
            async with await connect(settings.database.get_secret_value(), role="audit") as connection:
                await audit_ledger(connection, metrics, clock)
            await asyncio.sleep(settings.audit_interval_s)
        except (psycopg.Error, ServiceError) as error:
            # Storing continues; the batch writer reports a database that is unavailable or not migrated.
            raise_if_cancelled()
            log.debug("audit failed: %s", error, extra={"event": "historian.audit_failed"})
            await asyncio.sleep(BACK_OFF_S)


async def audit_ledger(connection: Connection, metrics: HistorianMetrics, clock: Clock) -> None:
    """Compare the ledger with the tables once; no transaction may be open on the connection."""
    balance = await read_balance(connection)
    if not balance.balances:
        log.error("the ledger does not balance: %s", balance, extra={"event": "historian.ledger_unbalanced"})
    row = await (await connection.execute(query("historian/measure_database"))).fetchone()
    await connection.commit()
    metrics.balances.set(balance.balances)
    metrics.lost_messages.set(balance.lost)
    metrics.database_bytes.set(row[0] if row is not None else 0)
    metrics.audit_time.set(clock() / SECOND)
