"""The ledger after crashes, also of the log, with garbage messages: every message has exactly one outcome."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cities.folder_writer import write_city
from storage.database import connect
from storage.stores.ledger import LedgerBalance, read_balance, read_ledger
from tests.support.brokers.mqtt_publisher import publish
from tests.support.cities.noise_city import microphone_of, noise_city, noise_message
from tests.support.payloads.device_payloads import DSMR_V5
from tests.support.processes.crash_faults import inject_fault, kill_kafka, log_tails
from twin.instant import DAY, SECOND, Instant, format_instant, parse_instant, to_datetime

pytestmark = pytest.mark.embedded

SEED = 20261124
STREETS = 20
OBSERVATIONS = 5_000
GARBAGE_EACH = 10  # five kinds: 1 % of the messages
CHUNK = 250
FAULTS = 5
SETTLE_S_MAX = 60.0
LOOK_S = 0.2
START: Instant = 1_795_000_000 * SECOND

LAST_TOPIC = "livetwin/town/last/observations"
LAST = f"""
    SELECT
        (SELECT count(*) FROM observation WHERE phenomenon_time >= %s + interval '{OBSERVATIONS} s'),
        (SELECT count(*) FROM quarantine WHERE topic = %s)
"""

System = Any
Message = tuple[str, bytes]


def garbage(kind: str, number: int, dice: random.Random) -> Message:
    """Return a message that no decoder can use; all are different."""
    street = f"town.street-{number}"
    topic, whole = noise_message(street, START + number * SECOND, 41.5)
    match kind:
        case "truncated":
            return topic, whole[: dice.randrange(1, len(whole) - 1)]
        case "binary":
            return topic, b"\xff" + dice.randbytes(dice.randrange(200))
        case "checksum":
            telegram = DSMR_V5.replace(b"(00.244*kW)", f"(0{number % 10}.245*kW)".encode())
            return f"dsmr/p1-{number}/telegram", telegram
        case "unknown":
            return topic.replace(microphone_of(street), f"nobody-{number}"), whole
        case _:
            return noise_message(street, START + 3_650 * DAY + number, 41.5)


REASONS = {
    "truncated": "malformed",
    "binary": "malformed",
    "checksum": "checksum",
    "unknown": "unknown-sensor",
    "future": "time-in-future",
}


def mixed(dice: random.Random) -> list[Message]:
    """Return valid observations with distinct times, mixed with garbage."""
    found = [
        noise_message(
            f"town.street-{number % STREETS}", START + number * SECOND, dice.randrange(300, 900) / 10
        )
        for number in range(OBSERVATIONS)
    ]
    found += (garbage(kind, number, dice) for kind in REASONS for number in range(GARBAGE_EACH))
    dice.shuffle(found)
    return found


def last_ones() -> list[Message]:
    """Return one last message for each street, so for every partition, and one garbage message.

    The broker delivers in order, unacknowledged messages first, so these are the last to arrive.
    """
    found = [
        noise_message(f"town.street-{number}", START + (OBSERVATIONS + number) * SECOND, 40.0)
        for number in range(STREETS)
    ]
    return [*found, (LAST_TOPIC, b"")]


async def until_all_is_stored(system: System) -> None:
    """Wait until the last messages are stored; assert that the ledger balances all the while."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S_MAX
    async with await connect(system.postgres, role="test") as connection:
        while True:
            ledger = await read_balance(connection)
            assert ledger.balances, ledger
            row = await (await connection.execute(LAST, (to_datetime(START), LAST_TOPIC))).fetchone()
            await connection.commit()
            if row == (STREETS, 1):
                return
            assert asyncio.get_running_loop().time() < deadline, f"{ledger}; of the last ones: {row}"
            await asyncio.sleep(LOOK_S)


async def quarantined(system: System) -> Counter[str]:
    """Return the number of quarantined messages by reason, from the API."""
    async with httpx.AsyncClient(base_url=system.http) as client:
        found: Counter[str] = Counter()
        url = "/v1/quarantine?limit=1000"
        while url:
            page = (await client.get(url)).raise_for_status().json()
            found.update(one["reason"] for one in page["items"])
            url = page["_links"].get("next", {}).get("href", "")
    return found


async def ledger_of(system: System) -> LedgerBalance:
    async with await connect(system.postgres, role="test") as connection:
        return await read_balance(connection)


async def test_the_ledger_balances_after_crashes_also_of_the_log_with_one_percent_garbage(
    start_system: Callable[..., System], tmp_path: Path
) -> None:
    folder = tmp_path / "town"
    write_city(noise_city(STREETS).model(1), folder)
    # Only stored messages are acknowledged, so even the log in memory may be killed.
    system = start_system(f"--city={folder}", "--acknowledge=stored")
    await asyncio.to_thread(system.wait_ready)
    dice = random.Random(SEED)
    messages = mixed(dice)
    chunks = range(0, len(messages), CHUNK)
    fault_chunks = set(dice.sample(chunks, FAULTS))
    injected: list[str] = []
    for first in chunks:
        await asyncio.to_thread(publish, system.mqtt, messages[first : first + CHUNK])
        if first in fault_chunks:
            injected.append(await asyncio.to_thread(inject_fault, system, dice))
        if first == chunks[len(chunks) // 2]:
            kill_kafka(system)
    await asyncio.to_thread(publish, system.mqtt, last_ones())
    try:
        await until_all_is_stored(system)
    except AssertionError as error:
        raise AssertionError(f"{error}; {'; '.join(injected)}\n{log_tails(system)}") from None
    assert sum(map(bool, injected)) >= FAULTS // 2, injected
    ledger = await ledger_of(system)
    counts = ledger.counts
    good, bad = OBSERVATIONS + STREETS, GARBAGE_EACH * len(REASONS) + 1
    assert ledger.balances, ledger
    assert counts.received == counts.accepted + counts.quarantined, ledger
    assert counts.accepted >= good, ledger
    assert counts.quarantined >= bad, ledger
    assert counts.new == ledger.stored == good, ledger
    assert counts.observations == counts.new + counts.duplicate, ledger
    assert (ledger.lost, ledger.removed) == (0, 0), ledger
    reasons = await quarantined(system)
    # A message that is received again after a fault is quarantined again.
    assert reasons.total() == counts.quarantined
    for kind, reason in REASONS.items():
        sent = GARBAGE_EACH * list(REASONS.values()).count(reason)
        assert reasons[reason] >= sent, f"{kind}: {reasons}"
    await check_ledger_of_the_api(system, ledger)


async def check_ledger_of_the_api(system: System, ledger: LedgerBalance) -> None:
    """Assert that the API returns the same ledger: its balance, and its rows."""
    async with httpx.AsyncClient(base_url=system.http) as client:
        document = (await client.get("/v1/ledger", params={"limit": 1_000})).raise_for_status().json()
    counts = ledger.counts
    assert document["balanced"]
    assert document["totals"]["balanced"]
    assert document["balance"]["equations"] == [
        f"received {counts.received} = accepted {counts.accepted} + quarantined {counts.quarantined}",
        f"observations {counts.observations} = new {counts.new} + corrected 0 + superseded 0 + duplicate "
        f"{counts.duplicate}",
        f"new {counts.new} = stored {counts.new} + removed 0",
        "lost 0 = 0",
    ]
    rows = document["items"]
    assert {row["feed"] for row in rows} == {"native", "dsmr"}
    for name in ("received", "accepted", "quarantined", "observations", "new", "duplicate"):
        assert sum(row[name] for row in rows) == getattr(counts, name), name
    for row in rows:
        assert row["received"] == row["accepted"] + row["quarantined"], row
    dsmr = sum(row["quarantined"] for row in rows if row["feed"] == "dsmr")
    assert dsmr >= GARBAGE_EACH
    async with await connect(system.postgres, role="test") as connection:
        known = await read_ledger(
            connection, parse_instant(document["start"]), parse_instant(document["end"])
        )
    assert [(row["feed"], row["minute"]) for row in rows] == [
        (one.feed, format_instant(one.minute)) for one in known
    ]
