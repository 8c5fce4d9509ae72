"""Route of the ledger: the outcome of every received message, and the balance of all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import context_of
from api.http.answers import answers
from api.http.pages import page_links_model, render_items
from api.http.parameters import instant_or
from api.http.problems import RequestFault, bad_request
from api.http.responses import decode_page_cursor, first_page
from api.ingest_status import answers as status_answers
from api.ingest_status.models import (
    IngestSessionModel,
    LedgerBalanceModel,
    LedgerPage,
    LedgerRowModel,
    LedgerTotals,
    QuarantineUsageModel,
    SequenceHole,
    SessionInterruptionModel,
)
from api.ingest_status.schemas import LedgerParameters
from storage.stores.ledger import LEDGER_ROWS_MAX, IngestSession, LedgerBalance, LedgerRow, read_ledger
from storage.stores.ledger_counts import OutcomeCounts
from storage.stores.quarantine_usage import read_quarantine_usage
from twin.instant import DAY, HOUR, Duration, Instant, format_instant

router = APIRouter(prefix="/v1", tags=["ledger"])

RANGE_MAX: Duration = 31 * DAY


@router.get("/ledger", summary="Get the ledger of received messages")
@answers(status_answers.LEDGER)
async def get_ledger(request: Request, parameters: Annotated[LedgerParameters, Query()]) -> Response:
    """Return counts by feed and minute of reception, their totals, and the overall balance.

    `totals` cover the requested interval and feed, and are the same on every page; `balance` covers
    everything ever received and is at most ten seconds old. `interruptions` are the newest cases in which
    the broker may have given messages to another client, or deleted them: nothing counts those messages.
    `quarantine` tells what its limits left out: payloads, or all but the count.
    """
    context = context_of(request)
    start, end = _requested_interval(parameters, context.clock())
    after = decode_page_cursor(parameters.cursor, tuple[int, str])
    async with context.database.connection() as connection:
        rows = await read_ledger(connection, start, end, parameters.feed)
        quarantine = await read_quarantine_usage(connection)
    if len(rows) == LEDGER_ROWS_MAX:
        raise bad_request(
            RequestFault(
                "query", "end", "too-many", f"more than {LEDGER_ROWS_MAX} rows; ask for a shorter time"
            )
        )
    totals = OutcomeCounts()
    for row in rows:
        totals.add(row.counts)
    rest = [row for row in rows if after is None or (row.minute, row.feed) > after]
    page, following = first_page(rest, parameters.limit, _place)
    balance, sessions, interruptions = await context.ledger_cache.read()
    items, following = render_items(page, _row, _place, following)
    return status_answers.LEDGER.response(
        LedgerPage(
            start=format_instant(start),
            end=format_instant(end),
            balanced=balance.balances,
            balance=_balance(balance),
            totals=LedgerTotals(**_counts(totals), equations=_equations(totals), balanced=totals.balances),
            sessions=[_session(session) for session in sessions],
            interruptions=[
                SessionInterruptionModel(reason=one.reason, time=format_instant(one.time), detail=one.detail)
                for one in interruptions
            ],
            quarantine=QuarantineUsageModel(
                bytes=quarantine.bytes, heads_only=quarantine.heads, counted_only=quarantine.counted
            ),
            items=items,
            links=page_links_model(request, following),
        )
    )


def _requested_interval(parameters: LedgerParameters, now: Instant) -> tuple[Instant, Instant]:
    end = instant_or(parameters.end, now)
    start = instant_or(parameters.start, end - HOUR)
    if not start < end <= start + RANGE_MAX:
        raise bad_request(
            RequestFault(
                "query", "start", "range", "expected a `start` before `end`, at most 31 days earlier"
            )
        )
    return start, end


def _place(row: LedgerRow) -> tuple[Instant, str]:
    return row.minute, row.feed


def _row(row: LedgerRow) -> LedgerRowModel:
    return LedgerRowModel(feed=row.feed, minute=format_instant(row.minute), **_counts(row.counts))


def _counts(counts: OutcomeCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in counts.__slots__}


def _equations(counts: OutcomeCounts) -> list[str]:
    return [
        f"received {counts.received} = accepted {counts.accepted} + quarantined {counts.quarantined}",
        f"observations {counts.observations} = new {counts.new} + corrected {counts.corrected} "
        f"+ superseded {counts.superseded} + duplicate {counts.duplicate}",
    ]


def _balance(balance: LedgerBalance) -> LedgerBalanceModel:
    return LedgerBalanceModel(
        **_counts(balance.counts),
        stored=balance.stored,
        removed=balance.removed,
        missing=balance.missing,
        lost=balance.lost,
        equations=[
            *_equations(balance.counts),
            f"new {balance.counts.new} = stored {balance.stored} + removed {balance.removed}",
            f"lost {balance.lost} = 0",
        ],
        balanced=balance.balances,
    )


def _session(session: IngestSession) -> IngestSessionModel:
    return IngestSessionModel(
        session=session.session,
        first_received=format_instant(session.first_received),
        last_received=format_instant(session.last_received),
        messages=session.messages,
        last_sequence=session.last_sequence,
        missing=session.missing,
        lost=session.lost,
        holes=[SequenceHole(start=start, end=end) for start, end in session.holes],
    )
