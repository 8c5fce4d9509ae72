"""The ledger after crashes, also of the log, with garbage between: every message has exactly one outcome."""

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
BLOWS = 5
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
    """Return a message that cannot be used; no two are alike."""
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
    """Return good observations, each of its own time, with garbage in between."""
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
    """Return one message for each street, so for every partition, and one more that cannot be used.

    The broker hands over in order what it has, what was not acknowledged first: behind these comes nothing.
    """
    found = [
        noise_message(f"town.street-{number}", START + (OBSERVATIONS + number) * SECOND, 40.0)
        for number in range(STREETS)
    ]
    return [*found, (LAST_TOPIC, b"")]


async def until_all_is_stored(system: System) -> None:
    """Wait for the last ones. The books balance all the while."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S_MAX
    async with await connect(system.postgres, role="test") as connection:
        while True:
            books = await read_balance(connection)
            assert books.balances, books
            row = await (await connection.execute(LAST, (to_datetime(START), LAST_TOPIC))).fetchone()
            await connection.commit()
            if row == (STREETS, 1):
                return
            assert asyncio.get_running_loop().time() < deadline, f"{books}; of the last ones: {row}"
            await asyncio.sleep(LOOK_S)


async def quarantined(system: System) -> Counter[str]:
    """Return how often the API lists each reason."""
    async with httpx.AsyncClient(base_url=system.http) as client:
        found: Counter[str] = Counter()
        url = "/v1/quarantine?limit=1000"
        while url:
            page = (await client.get(url)).raise_for_status().json()
            found.update(one["reason"] for one in page["items"])
            url = page["_links"].get("next", {}).get("href", "")
    return found


async def books_of(system: System) -> LedgerBalance:
    async with await connect(system.postgres, role="test") as connection:
        return await read_balance(connection)


async def test_the_books_balance_after_crashes_also_of_the_log_with_one_percent_garbage(
    start_system: Callable[..., System], tmp_path: Path
) -> None:
    folder = tmp_path / "town"
    write_city(noise_city(STREETS).model(1), folder)
    # What is not in the database is not acknowledged, so even the log in memory may be killed.
    system = start_system(f"--city={folder}", "--acknowledge=stored")
    await asyncio.to_thread(system.wait_ready)
    dice = random.Random(SEED)
    messages = mixed(dice)
    chunks = range(0, len(messages), CHUNK)
    blows = set(dice.sample(chunks, BLOWS))
    told: list[str] = []
    for first in chunks:
        await asyncio.to_thread(publish, system.mqtt, messages[first : first + CHUNK])
        if first in blows:
            told.append(await asyncio.to_thread(inject_fault, system, dice))
        if first == chunks[len(chunks) // 2]:
            kill_kafka(system)
    await asyncio.to_thread(publish, system.mqtt, last_ones())
    try:
        await until_all_is_stored(system)
    except AssertionError as error:
        raise AssertionError(f"{error}; {'; '.join(told)}\n{log_tails(system)}") from None
    assert sum(map(bool, told)) >= BLOWS // 2, told
    books = await books_of(system)
    counts = books.counts
    good, bad = OBSERVATIONS + STREETS, GARBAGE_EACH * len(REASONS) + 1
    assert books.balances, books
    assert counts.received == counts.accepted + counts.quarantined, books
    assert counts.accepted >= good, books
    assert counts.quarantined >= bad, books
    assert counts.new == books.stored == good, books
    assert counts.observations == counts.new + counts.duplicate, books
    assert (books.lost, books.removed) == (0, 0), books
    reasons = await quarantined(system)
    # Received again after a blow, it is quarantined again.
    assert reasons.total() == counts.quarantined
    for kind, reason in REASONS.items():
        sent = GARBAGE_EACH * list(REASONS.values()).count(reason)
        assert reasons[reason] >= sent, f"{kind}: {reasons}"
    await check_what_the_api_tells(system, books)


async def check_what_the_api_tells(system: System, books: LedgerBalance) -> None:
    """The API tells the same books: as a whole, and row by row."""
    async with httpx.AsyncClient(base_url=system.http) as client:
        document = (await client.get("/v1/ledger", params={"limit": 1_000})).raise_for_status().json()
    counts = books.counts
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
