"""Routes of alarms: their list, one alarm with its explanation, its events, and the alarm statistics."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.access.authorization import rights_of
from api.alarms import answers as alarm_answers
from api.alarms.documents import alarm_model, episode_model, event_model, statistics_model
from api.alarms.lookup import alarm_place, lookup_alarm, select_alarms
from api.alarms.models import AlarmEpisodes, AlarmEventModel, AlarmModel
from api.alarms.schemas import (
    AlarmEpisodeParameters,
    AlarmEventParameters,
    AlarmParameters,
    StatisticsParameters,
)
from api.context import context_of
from api.http.answers import answers
from api.http.pages import render_page
from api.http.parameters import NoQuery, instant_or
from api.http.problems import RequestFault, bad_request
from api.http.responses import decode_page_cursor, first_page, next_cursor
from storage.stores.alarms import (
    TRANSITIONS_MAX,
    AlarmEventPosition,
    StoredAlarmEvent,
    read_alarm_episodes,
    read_alarm_history_page,
    read_alarm_transitions,
)
from storage.stores.list_position import ListPosition
from twin.alarms.messages import AlarmEvent
from twin.alarms.statistics import statistics
from twin.instant import DAY, Duration, format_instant

router = APIRouter(prefix="/v1", tags=["alarms"])

STATISTICS_MAX: Duration = 31 * DAY

EPISODES_MAX: Duration = 366 * DAY
"""The longest time of one list: as long as a back-test."""

AlarmId = Annotated[str, Path(max_length=600, description="`rule~entity`, or `rule~entity~sensor`.")]


@router.get("/alarms", summary="List the alarms of the city")
@answers(alarm_answers.ALARMS)
async def list_alarms(request: Request, parameters: Annotated[AlarmParameters, Query()]) -> Response:
    """List the present alarms, the last raised first; normal ones too, unless filtered.

    Served from memory, without the database.
    """
    rights = rights_of(request)
    context = context_of(request)
    view, model = context.hub.alarms, context.model
    before = decode_page_cursor(parameters.cursor, ListPosition)
    events = sorted(select_alarms(parameters, view, model, rights), key=alarm_place, reverse=True)
    events = [event for event in events if before is None or alarm_place(event) < before]
    page, following = first_page(events, parameters.limit, alarm_place)

    def alarm(event: AlarmEvent) -> AlarmModel:
        return alarm_model(event, view.incident_of(event.alarm), model, rights)

    return alarm_answers.ALARMS.response(render_page(request, page, alarm, alarm_place, following))


@router.get("/alarms/_statistics", summary="Get statistics of the alarm system")
@answers(alarm_answers.STATISTICS, role="operator")
async def get_alarm_statistics(
    request: Request, parameters: Annotated[StatisticsParameters, Query()]
) -> Response:
    """Return how many alarms operators got and which are a nuisance, after EEMUA 191 and ISA-18.2."""
    context = context_of(request)
    now = context.clock()
    end = instant_or(parameters.end, now)
    start = instant_or(parameters.start, end - DAY)
    if not start < end <= start + STATISTICS_MAX:
        raise bad_request(
            RequestFault("query", "end", "range", "expected an `end` after `start`, at most 31 days later")
        )
    async with context.database.connection() as connection:
        transitions = await read_alarm_transitions(connection, start, end)
    counts = await asyncio.to_thread(statistics, transitions, start, end, parameters.operators)
    return alarm_answers.STATISTICS.response(
        statistics_model(
            counts,
            context.hub.alarms.standing(),
            (start, end),
            now,
            operators=parameters.operators,
            truncated=len(transitions) == TRANSITIONS_MAX,
        )
    )


@router.get("/alarms/{id}", summary="Get an alarm")
@answers(alarm_answers.ALARM, problems=(HTTPStatus.NOT_FOUND,))
async def get_alarm(request: Request, id: AlarmId, _: NoQuery) -> Response:
    """Return the present alarm with its explanation: values, windows, observations, sentences."""
    rights = rights_of(request)
    context = context_of(request)
    event = lookup_alarm(context, id, rights)
    return alarm_answers.ALARM.response(
        alarm_model(event, context.hub.alarms.incident_of(id), context.model, rights)
    )


@router.get("/alarms/{id}/events", summary="List the events of an alarm")
@answers(alarm_answers.ALARM_EVENTS, problems=(HTTPStatus.NOT_FOUND,))
async def list_alarm_events(
    request: Request, id: AlarmId, parameters: Annotated[AlarmEventParameters, Query()]
) -> Response:
    """List every transition of an alarm, newest first, each with its explanation.

    Names and texts of people are for viewers and above.
    """
    rights = rights_of(request)
    context = context_of(request)
    newest = lookup_alarm(context, id, rights)
    before = decode_page_cursor(parameters.cursor, AlarmEventPosition)
    async with context.database.connection() as connection:
        page = await read_alarm_history_page(connection, id, before=before, limit=parameters.limit)
    following = next_cursor(page, parameters.limit, lambda last: last.position)
    if before is None and (not page or page[0].event.revision < newest.revision):
        page.insert(0, StoredAlarmEvent(newest, 0))  # It is new and not stored yet.

    def event(stored: StoredAlarmEvent) -> AlarmEventModel:
        return event_model(stored.event, context.model, rights, stored.amendment)

    return alarm_answers.ALARM_EVENTS.response(
        render_page(request, page, event, lambda last: last.position, following)
    )


@router.get("/alarms/{id}/episodes", summary="List the episodes of an alarm")
@answers(alarm_answers.ALARM_EPISODES, problems=(HTTPStatus.NOT_FOUND,))
async def list_alarm_episodes(
    request: Request, id: AlarmId, parameters: Annotated[AlarmEpisodeParameters, Query()]
) -> Response:
    """List when an alarm was active, oldest first, as a back-test lists firings.

    An episode is what the events of one occurrence leave: times that late data moved are the moved ones,
    and a retracted occurrence is none.
    """
    rights = rights_of(request)
    context = context_of(request)
    lookup_alarm(context, id, rights)
    now = context.clock()
    end = instant_or(parameters.end, now)
    start = instant_or(parameters.start, end - DAY)
    if not start < end <= start + EPISODES_MAX:
        raise bad_request(
            RequestFault("query", "end", "range", "expected an `end` after `start`, at most 366 days later")
        )
    async with context.database.connection() as connection:
        episodes = await read_alarm_episodes(connection, [id], start, end)
    return alarm_answers.ALARM_EPISODES.response(
        AlarmEpisodes(
            start=format_instant(start),
            end=format_instant(end),
            items=[episode_model(episode, end) for episode in episodes],
        )
    )
