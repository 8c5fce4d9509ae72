"""The balance after an experiment: acknowledged and stored messages, states in the API, and the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import httpx
import psycopg

from tests.chaos.fleet import DeviceFleet
from tests.chaos.message_plan import MessageKind, MessagePlan, street_of, value_of
from tests.chaos.system_under_test import LOAD_STREETS, PROPERTY, microphone_id, street_id
from twin.instant import format_instant, from_datetime

LossWindow: TypeAlias = tuple[float, float]
"""Begin and end, in loop time, of acknowledgements whose messages may be lost."""

# The balance is computed after this time without a new row.
STILL_S_MAX = 60.0
_LOOK_S = 0.5
_ROWS = 50_000
_TIMEOUT_S = 60.0
_WRONG_SHOWN = 5

_COUNT = """
SELECT count(*) FROM observation
WHERE datastream_id NOT IN (SELECT id FROM datastream WHERE sensor_id = ANY(%s))
"""
_ALL = """
SELECT d.sensor_id, o.phenomenon_time, o.value
FROM observation o LEFT JOIN datastream d ON d.id = o.datastream_id
"""


class SystemAddress(Protocol):
    """The addresses of a system."""

    @property
    def http(self) -> str:
        """Base URL of the API."""

    @property
    def database(self) -> str:
        """Connection URI."""


@dataclass
class MessageBalance:
    """The result of an experiment; `faults` is empty when every promise was kept."""

    acknowledged: int = 0
    stored: int = 0
    lost: int = 0  #: acknowledged and not stored
    allowed_losses: int = 0  #: the part of them that the promise allows
    duplicated: int = 0
    altered: int = 0  #: stored with another value, or of another sensor
    unexpected: int = 0  #: stored and never sent
    of_attackers: int = 0  #: stored observations of devices in the hands of attackers
    wrong_states: list[str] = field(default_factory=list)
    ledger: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def report_lines(self) -> Iterator[str]:
        """Yield the report, line by line."""
        yield (
            f"acknowledged {self.acknowledged}, stored {self.stored}: "
            f"{self.lost} lost ({self.allowed_losses} excused), "
            f"{self.duplicated} doubled, {self.altered} altered, {self.unexpected} unexpected; "
            f"{len(self.wrong_states)} states wrong"
        )
        for equation in self.ledger.get("equations", ()):
            yield f"ledger: {equation}"
        yield "BROKEN PROMISES: " + "; ".join(self.faults) if self.faults else "all promises kept"


async def compute_balance(
    system: SystemAddress,
    fleet: DeviceFleet,
    loss_window: LossWindow | None,
    attackers: Collection[str] = (),
) -> MessageBalance:
    """Wait until everything is stored, or nothing more arrives; return the balance.

    Sensors of attackers may send anything of their own.
    """
    plan, found = fleet.plan, MessageBalance()
    found.acknowledged = sum(time > 0 for time in fleet.acknowledged_at)
    await _until_stored(system.database, plan.messages + len(fleet.canaries), attackers)
    await asyncio.to_thread(_compare, system.database, fleet, found, loss_window, attackers)
    counts = {
        "not acknowledged": plan.messages - found.acknowledged,
        "acknowledged without a subscriber": fleet.without_subscriber,
        "lost": found.lost - found.allowed_losses,
        "doubled": found.duplicated,
        "altered": found.altered,
        "unexpected": found.unexpected,
    }
    found.faults += [f"{count} {what}" for what, count in counts.items() if count]
    async with httpx.AsyncClient(base_url=system.http, timeout=_TIMEOUT_S) as client:
        if not found.lost:
            found.wrong_states = await _wrong_states(client, plan)
        found.ledger = await _ledger(client, found.stored + found.of_attackers)
    if found.wrong_states:
        shown = ", ".join(found.wrong_states[:_WRONG_SHOWN])
        found.faults.append(f"{len(found.wrong_states)} states wrong: {shown}")
    found.faults += _ledger_faults(found, fleet)
    return found


async def _until_stored(dsn: str, wanted: int, attackers: Collection[str]) -> None:
    loop = asyncio.get_running_loop()
    best, since = -1, loop.time()
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while best < wanted and loop.time() - since < STILL_S_MAX:
            row = await (await connection.execute(_COUNT, [list(attackers)])).fetchone()
            assert row is not None
            if row[0] > best:
                best, since = int(row[0]), loop.time()
            await asyncio.sleep(_LOOK_S)


def _compare(
    dsn: str,
    fleet: DeviceFleet,
    found: MessageBalance,
    excused: LossWindow | None,
    attackers: Collection[str],
) -> None:
    plan = fleet.plan
    seen = bytearray(plan.messages)
    canaries = set(fleet.canaries)
    with psycopg.connect(dsn) as connection, connection.cursor("chaos") as cursor:
        cursor.itersize = _ROWS
        for name, time, value in cursor.execute(_ALL):
            if name in attackers:
                found.of_attackers += 1
                continue
            instant = from_datetime(time)
            if name == microphone_id(LOAD_STREETS):
                found.unexpected += instant not in canaries
                continue
            found.stored += 1
            number = plan.number_at(instant)
            if number is None:
                found.unexpected += 1
                continue
            found.duplicated += seen[number]
            found.altered += (name, value) != (microphone_id(street_of(number)), value_of(number))
            seen[number] = 1
    lost = [time for time, stored in zip(fleet.acknowledged_at, seen, strict=True) if time and not stored]
    found.lost = len(lost)
    if excused is not None:
        found.allowed_losses = sum(excused[0] <= time <= excused[1] for time in lost)


async def _wrong_states(client: httpx.AsyncClient, plan: MessagePlan) -> list[str]:
    """Return the streets whose state in the API is not their newest value; wait for a bounded time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STILL_S_MAX
    newest = plan.newest()
    while True:
        wrong = []
        for street, number in newest.items():
            state = (await client.get(f"/v1/entities/{street_id(street)}/state")).raise_for_status().json()
            shown = state["properties"].get(PROPERTY, {})
            wanted = format_instant(plan.instant(number)), value_of(number)
            if (shown.get("phenomenonTime"), shown.get("value")) != wanted:
                wrong.append(street_id(street))
        if not wrong or loop.time() > deadline:
            return wrong
        await asyncio.sleep(_LOOK_S)


async def _ledger(client: httpx.AsyncClient, stored: int) -> dict[str, Any]:
    """Return the ledger's balance once it includes what is stored; the API caches it for some seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STILL_S_MAX
    while True:
        answer = await client.get("/v1/ledger")
        late = loop.time() > deadline
        # The API answers 503 while its connections to the database are half open.
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or late:
            balance: dict[str, Any] = answer.raise_for_status().json()["balance"]
            if (balance["stored"] >= stored and balance["balanced"]) or late:
                return balance
        await asyncio.sleep(_LOOK_S)


def _ledger_faults(found: MessageBalance, fleet: DeviceFleet) -> Iterator[str]:
    ledger = found.ledger
    if not ledger["balanced"] and not found.lost:
        yield f"the ledger does not balance: {ledger}"
    others = len(fleet.canaries) + found.of_attackers
    if ledger["stored"] - others != found.stored and not found.lost:
        yield f"the ledger has {ledger['stored']} stored, {others} of them of canaries and of attackers"
    if ledger["corrected"] or ledger["superseded"]:
        yield f"{ledger['corrected']} corrected, {ledger['superseded']} superseded: no value ever changed"
    if not found.lost and ledger["quarantined"] < fleet.counts[MessageKind.POISON]:
        yield f"{ledger['quarantined']} quarantined of {fleet.counts[MessageKind.POISON]} that nobody can use"
