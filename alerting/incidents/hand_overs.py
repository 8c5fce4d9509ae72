"""The hand-over messages of a city: for each turn that begins, one to each channel of its contact. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from alerting.incidents.incident_state import IncidentPhase, IncidentState, NotificationRequest
from alerting.messages.hand_over_text import HandOverContext, compose_hand_over
from alerting.messages.outgoing_message import OutgoingMessage
from alerting.policy.hand_over import TurnChange, hand_over_recipients, turn_end
from alerting.policy.routing import match_route
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.duty import DutyTeam


def hand_over_messages(
    change: TurnChange,
    incidents: Iterable[IncidentState],
    alarms: Mapping[str, AlarmEvent],
    model: CityModel,
    now: Instant,
) -> Iterator[OutgoingMessage]:
    """Yield the messages to the contact of a turn; none for the first known turn of a team, and in a gap."""
    turn, plan = change.turn, model.duty
    recipients = hand_over_recipients(plan, change.team, turn.contact)
    if change.is_first or not recipients:
        return
    language = next(one.language for one in plan.contacts if one.id == turn.contact)
    context = HandOverContext(list(_of_team(change.team, incidents, model)), alarms, model)
    until = turn_end(plan, change.team.id, turn.contact, now)
    text, summary = compose_hand_over(change, until, language, context)
    for recipient in recipients:
        parts = ("hand-over", change.team.id, str(turn.since), recipient.contact, recipient.channel)
        request = NotificationRequest(
            notification="~".join(parts),
            incident="",
            kind="hand-over",
            round=0,
            step=0,
            contact=recipient.contact,
            channel=recipient.channel,
            due_time=now,
        )
        yield OutgoingMessage(
            request=request,
            text=text,
            due=now,
            occurrences=frozenset().union(*(line.occurrences for line in summary.lines)),
            hand_over=summary,
        )


def _of_team(team: DutyTeam, incidents: Iterable[IncidentState], model: CityModel) -> Iterator[IncidentState]:
    for state in incidents:
        if state.phase is not IncidentPhase.CLOSED and state.open_members:
            route = match_route(state, model)
            if route is not None and route.team == team.id:
                yield state
