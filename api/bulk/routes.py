"""Routes of downloads: observations and events of alarms, as files for researchers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access.authorization import rights_of
from api.bulk import answers as bulk_answers
from api.bulk.alarm_events import AlarmEventSource, note_households
from api.bulk.columns import ALARM_EVENTS
from api.bulk.cursor import (
    AlarmEventPlace,
    ObservationPlace,
    Period,
    check_query,
    query_digest,
    requested_period,
)
from api.bulk.download import BulkSource, start_download
from api.bulk.observations import ObservationSource, select_series
from api.bulk.schemas import AlarmEventDownloadParameters, DownloadParameters, ObservationDownloadParameters
from api.context import ApiContext, context_of
from api.entities.selection import resolve_filter
from api.http.answers import answers
from api.http.negotiation import media_type_of
from api.http.responses import decode_page_cursor
from twin.instant import format_instant, to_datetime

router = APIRouter(prefix="/v1", tags=["downloads"])


@router.get("/observations", summary="Download observations")
@answers(*bulk_answers.OBSERVATIONS, problems=(HTTPStatus.FORBIDDEN,))
async def download_observations(
    request: Request, parameters: Annotated[ObservationDownloadParameters, Query()]
) -> Response:
    """Send all observations that the filters select, as known at one time, oldest first, of any number.

    Those of the same time are in the order of `datastreamId`. Readings of households are for the role
    metering only; for others they are left out.
    """
    context = context_of(request)
    place = decode_page_cursor(parameters.cursor, ObservationPlace)
    period = _period(context, parameters, place)
    selected = await select_series(context, parameters, rights_of(request), place)
    source = await ObservationSource.open(
        context, selected, period=period, place=place, limit=parameters.limit
    )
    return await _start(request, context, source, period)


@router.get("/alarm-events", summary="Download events of alarms")
@answers(*bulk_answers.ALARM_EVENTS)
async def download_alarm_events(
    request: Request, parameters: Annotated[AlarmEventDownloadParameters, Query()]
) -> Response:
    """Send all events of alarms that the filters select, in the order in which they were published.

    `start`, `end` and `knownAt` are compared with `toldTime`. Of an event everybody sees what they see at
    `/v1/alarms/{id}/events`.
    """
    context, rights = context_of(request), rights_of(request)
    place = decode_page_cursor(parameters.cursor, AlarmEventPlace)
    period = _period(context, parameters, place)
    filter = parameters.filter()
    filters = (filter.entities, filter.types, filter.parents, filter.themes, frozenset(parameters.rule))
    query = query_digest(
        ALARM_EVENTS.name,
        rights.principal.role,
        sorted(rights.principal.areas or ()),
        [sorted(each) for each in filters],
    )
    check_query(place.query if place is not None else None, query)
    selection = resolve_filter(filter, context.model)
    note_households(rights, selection, context.model)
    source = AlarmEventSource(
        context,
        rights,
        selection=selection,
        rules=frozenset(parameters.rule),
        query=query,
        period=period,
        place=place,
        limit=parameters.limit,
    )
    return await _start(request, context, source, period)


def _period(
    context: ApiContext, parameters: DownloadParameters, place: ObservationPlace | AlarmEventPlace | None
) -> Period:
    cursor = Period(place.start, place.end, place.known_at) if place is not None else None
    return requested_period(parameters, context.clock(), cursor)


async def _start(request: Request, context: ApiContext, source: BulkSource, period: Period) -> Response:
    """Return the response of a download, whose head says what is in the file."""
    times = {
        "start": format_instant(period.start),
        "end": format_instant(period.end),
        "knownAt": format_instant(period.known_at),
    }
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in times]
    location = f"{request.url.path}?{urlencode([*kept, *times.items()], safe=':')}"
    license = context.settings.data_license
    headers = {"Content-Location": location}
    if license is not None:
        headers["Link"] = f'<{license}>; rel="license"'
    metadata = {
        "city": context.model.city.id,
        "table": source.table.name,
        "query": location,
        **times,
        **({"license": license} if license is not None else {}),
    }
    days = [f"{to_datetime(each):%Y%m%dT%H%M%SZ}" for each in (period.start, period.end)]
    return await start_download(
        request,
        context.download_slots,
        source,
        media_type_of(request),
        file_name="-".join([context.model.city.id, source.table.name, *days]),
        headers=headers,
        metadata=metadata,
    )
