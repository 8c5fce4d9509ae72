"""Which alarms somebody asks for, and may see."""

from __future__ import annotations

from collections.abc import Iterator

from api.alarms.schemas import AlarmParameters
from api.alarms.visibility import may_see_alarm
from api.context import ApiContext
from api.entities.selection import resolve_filter
from api.http.access import Role
from api.http.parameters import parse_time
from api.http.problems import not_found
from api.live.alarm_view import AlarmView
from storage.stores.alarms import ListPosition
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.model.city_model import CityModel


def lookup_alarm(context: ApiContext, id: str, role: Role) -> AlarmEvent:
    """Return an alarm as it is now; raise a problem (404) when there is none that the role may know of."""
    event = context.hub.alarms.alarm(id)
    if event is None or not may_see_alarm(role, event, context.model):
        raise not_found(f"There is no alarm {id!r}, or it was never raised; /v1/alarms lists them.")
    return event


def alarm_place(event: AlarmEvent) -> ListPosition:
    """Return where an alarm is in the list of alarms: by when it was raised."""
    return ListPosition(event.raised_time if event.raised_time is not None else event.time, event.alarm)


def select_alarms(
    wanted: AlarmParameters, view: AlarmView, model: CityModel, role: Role
) -> Iterator[AlarmEvent]:
    """Yield the alarms that are asked for and may be seen, in no order."""
    selection = resolve_filter(wanted.filter(), model)
    since = parse_time(wanted.since) if wanted.since else None
    for event in view.alarms():
        if (
            selection.matches_alarm(event)
            and (not wanted.state or event.state in wanted.state)
            and (not wanted.severity or event.severity.word in wanted.severity)
            and (not wanted.rule or event.rule in wanted.rule)
            and (not wanted.cause or event.cause in wanted.cause)
            and wanted.active in (None, event.active)
            and wanted.acknowledged in (None, event.acknowledged_time is not None)
            and (since is None or event.told_time >= since)
            and may_see_alarm(role, event, model)
        ):
            yield event


def visible_members(event: IncidentEvent, context: ApiContext, role: Role) -> list[AlarmEvent]:
    """Return the alarms of an incident that a role may know of, as they are now."""
    found = (context.hub.alarms.alarm(one.alarm) for one in event.members)
    return [one for one in found if one is not None and may_see_alarm(role, one, context.model)]
