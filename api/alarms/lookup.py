"""Look-ups of alarms and incidents: those that a request selects and its principal may see.

Alarms and open incidents come from the live view; closed incidents from the database.
"""

from __future__ import annotations

from collections.abc import Iterator

from api.access.rights import Rights
from api.alarms.schemas import AlarmParameters, IncidentParameters
from api.alarms.visibility import may_see_alarm
from api.context import ApiContext
from api.entities.selection import resolve_filter
from api.http.parameters import parse_time
from api.http.problems import not_found
from api.live.alarm_view import AlarmView
from storage.stores.alarms import find_incident, read_stored_incidents
from storage.stores.list_position import ListPosition
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.alarms.severity import severity_of
from twin.model.city_model import CityModel


def lookup_alarm(context: ApiContext, id: str, rights: Rights) -> AlarmEvent:
    """Return the present alarm; raise a problem (404) for an unknown one, or one that is hidden."""
    event = context.hub.alarms.alarm(id)
    if event is None or not may_see_alarm(rights, event, context.model):
        raise not_found(f"There is no alarm {id!r}, or it was never raised; /v1/alarms lists them.")
    return event


def alarm_place(event: AlarmEvent) -> ListPosition:
    """Return the position of an alarm in lists: the time at which it was raised, and its id."""
    return ListPosition(event.raised_time if event.raised_time is not None else event.time, event.alarm)


def select_alarms(
    parameters: AlarmParameters, view: AlarmView, model: CityModel, rights: Rights
) -> Iterator[AlarmEvent]:
    """Yield the selected alarms that the principal may see, unordered."""
    selection = resolve_filter(parameters.filter(), model)
    since = parse_time(parameters.since) if parameters.since else None
    for event in view.alarms():
        if (
            selection.matches_alarm(event)
            and (not parameters.state or event.state in parameters.state)
            and (not parameters.severity or event.severity.word in parameters.severity)
            and (not parameters.rule or event.rule in parameters.rule)
            and (not parameters.cause or event.cause in parameters.cause)
            and parameters.active in (None, event.active)
            and parameters.acknowledged in (None, event.acknowledged_time is not None)
            and (since is None or event.told_time >= since)
            and may_see_alarm(rights, event, model)
        ):
            yield event


def visible_members(event: IncidentEvent, context: ApiContext, rights: Rights) -> list[AlarmEvent]:
    """Return the present alarms of an incident that a principal may see."""
    alarms = (context.hub.alarms.alarm(member.alarm) for member in event.members)
    return [alarm for alarm in alarms if alarm is not None and may_see_alarm(rights, alarm, context.model)]


def incident_place(event: IncidentEvent) -> ListPosition:
    """Return the position of an incident in lists: the time at which it opened, and its id."""
    return ListPosition(event.opened_time, event.incident)


async def lookup_incident(
    context: ApiContext, id: str, rights: Rights
) -> tuple[IncidentEvent, list[AlarmEvent]]:
    """Return an incident, and its present alarms that a principal may see.

    Raises a problem: 404 when there is no such incident for the principal, 503 when it is not in memory and
    the database is unavailable.
    """
    event = context.hub.alarms.incident(id)
    if event is None:
        async with context.database.connection() as connection:
            event = await find_incident(connection, id)
    members = visible_members(event, context, rights) if event is not None else []
    if event is None or not members:
        raise not_found(f"There is no incident {id!r}; /v1/incidents lists them.")
    return event, members


async def read_incident_page(
    context: ApiContext, parameters: IncidentParameters, before: ListPosition | None
) -> tuple[list[IncidentEvent], ListPosition | None]:
    """Return a page of incidents, the latest first, and the position of the next page.

    Open incidents come from memory. Raises a problem (503) when closed ones are needed and the database is
    unavailable.
    """
    selected = {
        event.incident: event
        for event in context.hub.alarms.open_incidents()
        if _matches(event, parameters) and (before is None or incident_place(event) < before)
    }
    stored: list[IncidentEvent] = []
    if parameters.open is not True:
        async with context.database.connection() as connection:
            stored = await read_stored_incidents(
                connection,
                before=before,
                limit=parameters.limit,
                open=parameters.open,
                themes=parameters.theme,
                severities=[severity_of(word) for word in parameters.severity],
                causes=parameters.cause,
                areas=parameters.area,
            )
    for row in stored:
        newer = context.hub.alarms.incident(row.incident)
        event = newer if newer is not None and newer.revision > row.revision else row
        if _matches(event, parameters):
            selected[row.incident] = event
    page = sorted(selected.values(), key=incident_place, reverse=True)[: parameters.limit]
    if len(selected) > len(page):
        return page, incident_place(page[-1])
    # A newer incident in memory may no longer match; the next page starts after the stored one all the same.
    return page, incident_place(stored[-1]) if len(stored) == parameters.limit else None


def is_incident_visible(event: IncidentEvent, context: ApiContext, rights: Rights) -> bool:
    """Whether a principal may see any alarm of an incident."""
    return bool(visible_members(event, context, rights))


def _matches(event: IncidentEvent, parameters: IncidentParameters) -> bool:
    return (
        parameters.open in (None, event.open)
        and (not parameters.theme or event.theme in parameters.theme)
        and (not parameters.severity or event.severity.word in parameters.severity)
        and (not parameters.cause or event.cause in parameters.cause)
        and (not parameters.area or event.area in parameters.area)
    )
