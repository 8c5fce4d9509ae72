"""Alarms: what stands, what each follows from, and everything that happened to it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.alarms import examples
from api.alarms.documents import alarm_document, event_document
from api.alarms.lookup import alarm_place, lookup_alarm, select_alarms
from api.alarms.schemas import AlarmEventParameters, AlarmParameters, StatisticsParameters
from api.alarms.statistics_document import statistics_document
from api.context import context_of
from api.http.access import require_role, role_of
from api.http.parameters import NoParameters, parse_time
from api.http.problems import RequestFault, bad_request
from api.http.responses import collection_document, decode_page_cursor, encode_page_cursor, json_response
from storage.stores.alarms import (
    TRANSITIONS_MAX,
    ListPosition,
    read_alarm_transitions,
    read_stored_alarm_events,
)
from twin.alarms.statistics import statistics
from twin.instant import DAY, Duration

router = APIRouter(prefix="/v1", tags=["alarms"])

STATISTICS_MAX: Duration = 31 * DAY

AlarmId = Annotated[str, Path(max_length=600, description="`rule~entity`, or `rule~entity~sensor`.")]


@router.get("/alarms", summary="The alarms of the city", responses=examples.ALARMS)
async def list_alarms(request: Request, wanted: Annotated[AlarmParameters, Query()]) -> Response:
    """List alarms as they are now, the one that was raised last first; normal ones too, unless filtered.

    Answered from memory, whether or not the database is there.
    """
    role = role_of(request)
    context = context_of(request)
    view, model = context.hub.alarms, context.model
    before = decode_page_cursor(wanted.cursor, ListPosition)
    found = sorted(select_alarms(wanted, view, model, role), key=alarm_place, reverse=True)
    found = [one for one in found if before is None or alarm_place(one) < before]
    page = found[: wanted.limit]
    following = encode_page_cursor(alarm_place(page[-1])) if len(found) > len(page) else None
    items = [alarm_document(one, view.incident_of(one.alarm), model, role) for one in page]
    return json_response(collection_document(request, items, following))


@router.get(
    "/alarms/_statistics",
    summary="The health of the alarm system",
    responses=examples.STATISTICS,
)
async def get_statistics(request: Request, wanted: Annotated[StatisticsParameters, Query()]) -> Response:
    """Return how many alarms operators got and which are a nuisance, after EEMUA 191 and ISA-18.2."""
    require_role(request, "operator")
    context = context_of(request)
    now = context.clock()
    end = parse_time(wanted.end) if wanted.end else now
    start = parse_time(wanted.start) if wanted.start else end - DAY
    if not start < end <= start + STATISTICS_MAX:
        raise bad_request(
            RequestFault("query", "end", "range", "expected an `end` after `start`, at most 31 days later")
        )
    async with context.database.connection() as connection:
        found = await read_alarm_transitions(connection, start, end)
    counted = await asyncio.to_thread(statistics, found, start, end, wanted.operators)
    document = statistics_document(counted, context.hub.alarms.standing(), start, end, now)
    truncated = len(found) == TRANSITIONS_MAX
    return json_response({**document, "operators": wanted.operators, "truncated": truncated})


@router.get("/alarms/{id}", summary="One alarm", responses=examples.ALARM)
async def get_alarm(request: Request, id: AlarmId, _: Annotated[NoParameters, Query()]) -> Response:
    """Return an alarm as it is now, with what it follows from: values, windows, observations, sentences."""
    role = role_of(request)
    context = context_of(request)
    event = lookup_alarm(context, id, role)
    return json_response(alarm_document(event, context.hub.alarms.incident_of(id), context.model, role))


@router.get("/alarms/{id}/events", summary="What happened to an alarm", responses=examples.ALARM_EVENTS)
async def list_events(
    request: Request, id: AlarmId, wanted: Annotated[AlarmEventParameters, Query()]
) -> Response:
    """List every transition of an alarm, newest first, each with what it followed from.

    Who did something and what people wrote is told to viewers and above.
    """
    role = role_of(request)
    context = context_of(request)
    newest = lookup_alarm(context, id, role)
    before = decode_page_cursor(wanted.cursor, int)
    async with context.database.connection() as connection:
        page = await read_stored_alarm_events(connection, id, before=before, limit=wanted.limit)
    following = encode_page_cursor(page[-1].revision) if len(page) == wanted.limit else None
    if before is None and (not page or page[0].revision < newest.revision):
        page.insert(0, newest)  # It was told a moment ago and is not stored yet.
    items = [event_document(one, context.model, role) for one in page]
    return json_response(collection_document(request, items, following))
