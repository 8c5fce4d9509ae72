"""The ledger: what became of everything that was received, and whether the books balance."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.http.access import role_of
from api.http.parameters import parse_time
from api.http.problems import RequestFault, bad_request
from api.http.responses import decode_page_cursor, encode_page_cursor, json_response, page_links
from api.ingest_status import examples
from api.ingest_status.schemas import LedgerParameters
from storage.stores.ledger import LEDGER_ROWS_MAX, IngestSession, LedgerBalance, LedgerRow, read_ledger
from storage.stores.ledger_counts import OutcomeCounts
from twin.instant import DAY, HOUR, Duration, Instant, format_instant

router = APIRouter(prefix="/v1", tags=["ledger"])

RANGE_MAX: Duration = 31 * DAY


@router.get("/ledger", summary="What became of everything received", responses=examples.LEDGER)
async def get_ledger(request: Request, wanted: Annotated[LedgerParameters, Query()]) -> Response:
    """Return counts by feed and minute of reception, their sums, and the balance of everything.

    `totals` are those of the time and feed that were asked for, on every page alike; `balance` is of
    everything that was ever received, at most ten seconds old.
    """
    role_of(request)
    context = context_of(request)
    start, end = _span(wanted, context.clock())
    after = decode_page_cursor(wanted.cursor, tuple[int, str])
    async with context.database.connection() as connection:
        rows = await read_ledger(connection, start, end, wanted.feed)
    if len(rows) == LEDGER_ROWS_MAX:
        raise bad_request(
            RequestFault(
                "query", "end", "too-many", f"more than {LEDGER_ROWS_MAX} rows; ask for a shorter time"
            )
        )
    totals = OutcomeCounts()
    for row in rows:
        totals.add(row.counts)
    rest = [one for one in rows if after is None or (one.minute, one.feed) > after]
    page = rest[: wanted.limit]
    following = encode_page_cursor((page[-1].minute, page[-1].feed)) if len(rest) > len(page) else None
    known, runs = await context.ledger_cache.balance()
    return json_response(
        {
            "start": format_instant(start),
            "end": format_instant(end),
            "balanced": known.balances,
            "balance": _balance(known),
            "totals": {**_counts(totals), "equations": _equations(totals), "balanced": totals.balances},
            "sessions": [_session(one) for one in runs],
            "items": [_row(one) for one in page],
            "_links": page_links(request, following),
        }
    )


def _span(wanted: LedgerParameters, now: Instant) -> tuple[Instant, Instant]:
    end = parse_time(wanted.end) if wanted.end else now
    start = parse_time(wanted.start) if wanted.start else end - HOUR
    if not start < end <= start + RANGE_MAX:
        raise bad_request(
            RequestFault(
                "query", "start", "range", "expected a `start` before `end`, at most 31 days earlier"
            )
        )
    return start, end


def _row(row: LedgerRow) -> dict[str, Any]:
    return {"feed": row.feed, "minute": format_instant(row.minute), **_counts(row.counts)}


def _counts(counts: OutcomeCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in counts.__slots__}


def _equations(counts: OutcomeCounts) -> list[str]:
    return [
        f"received {counts.received} = accepted {counts.accepted} + quarantined {counts.quarantined}",
        f"observations {counts.observations} = new {counts.new} + corrected {counts.corrected} "
        f"+ superseded {counts.superseded} + duplicate {counts.duplicate}",
    ]


def _balance(known: LedgerBalance) -> dict[str, Any]:
    return {
        **_counts(known.counts),
        "stored": known.stored,
        "removed": known.removed,
        "missing": known.missing,
        "lost": known.lost,
        "equations": [
            *_equations(known.counts),
            f"new {known.counts.new} = stored {known.stored} + removed {known.removed}",
            f"lost {known.lost} = 0",
        ],
        "balanced": known.balances,
    }


def _session(run: IngestSession) -> dict[str, Any]:
    return {
        "session": run.session,
        "firstReceived": format_instant(run.first_received),
        "lastReceived": format_instant(run.last_received),
        "messages": run.messages,
        "lastSequence": run.last_sequence,
        "missing": run.missing,
        "lost": run.lost,
        "holes": [{"start": start, "end": end} for start, end in run.holes],
    }
