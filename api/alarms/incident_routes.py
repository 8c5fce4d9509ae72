"""Routes of incidents: alarms of one cause and one area together, and operator actions on them."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from msgspec.structs import asdict
from starlette.responses import Response

from api.access.authorization import actor_of, require_role_at, rights_of
from api.alarms import answers as alarm_answers
from api.alarms import incident_acknowledgement
from api.alarms.command_gateway import command_id
from api.alarms.command_routes import IdempotencyKey
from api.alarms.documents import incident_model, incident_path, incident_with_alarms
from api.alarms.lookup import is_incident_visible, lookup_incident, read_incident_page
from api.alarms.models import (
    AcceptedDutyCommand,
    AcknowledgedIncident,
    DutyCommandLinks,
    RefusedAcknowledgement,
)
from api.alarms.schemas import SNOOZE_MAX, AssignBody, CommentBody, IncidentParameters, PeriodBody, RemarkBody
from api.context import context_of
from api.http.answers import answers
from api.http.bodies import read_body
from api.http.models import Link
from api.http.pages import Page, page_links_model
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, RequestFault, bad_request
from api.http.responses import decode_page_cursor, encode_page_cursor
from storage.stores.list_position import ListPosition
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.wire.duty_messages import DutyCommand

router = APIRouter(prefix="/v1", tags=["alarms"])

IncidentId = Annotated[str, Path(max_length=600, description="`cause~area~number`.")]


@router.get("/incidents", summary="List incidents")
@answers(alarm_answers.INCIDENTS)
async def list_incidents(request: Request, parameters: Annotated[IncidentParameters, Query()]) -> Response:
    """List incidents, the latest first; open ones are served without the database."""
    rights = rights_of(request)
    context = context_of(request)
    before = decode_page_cursor(parameters.cursor, ListPosition)
    page, following = await read_incident_page(context, parameters, before)
    cursor = encode_page_cursor(following) if following is not None else None
    visible = [event for event in page if is_incident_visible(event, context, rights)]
    return alarm_answers.INCIDENTS.response(
        Page(
            items=[incident_model(event, context.model) for event in visible],
            links=page_links_model(request, cursor),
        )
    )


@router.get("/incidents/{id}", summary="Get an incident")
@answers(alarm_answers.INCIDENT, problems=(HTTPStatus.NOT_FOUND,))
async def get_incident(request: Request, id: IncidentId, _: NoQuery) -> Response:
    """Return an incident with its present alarms."""
    rights = rights_of(request)
    context = context_of(request)
    event, members = await lookup_incident(context, id, rights)
    return alarm_answers.INCIDENT.response(
        incident_with_alarms(event, members, context.hub.alarms, context.model, rights)
    )


@router.post("/incidents/{id}/_acknowledge", summary="Acknowledge an incident")
@answers(
    alarm_answers.INCIDENT_ACKNOWLEDGED,
    alarm_answers.INCIDENT_UNANSWERED,
    problems=(HTTPStatus.NOT_FOUND,),
    role="operator",
    in_areas=True,
    body=alarm_answers.REMARK_BODY,
)
async def acknowledge_incident(
    request: Request, id: IncidentId, _: NoQuery, key: IdempotencyKey = ""
) -> Response:
    """Acknowledge each alarm of the incident that waits for it; this ends its notifications."""
    rights = rights_of(request)
    context = context_of(request)
    body = await read_body(request, RemarkBody)
    _event, visible = await lookup_incident(context, id, rights)
    members = [each for each in visible if rights.includes_at("operator", each.entity)]
    if not members:
        require_role_at(rights, "operator", visible[0].entity)
    result = await incident_acknowledgement.acknowledge_incident(
        context, members, actor_of(request), key=key, text=body.comment
    )
    event, members = await lookup_incident(context, id, rights)
    incident = incident_with_alarms(event, members, context.hub.alarms, context.model, rights)
    answer = alarm_answers.INCIDENT_UNANSWERED if result.unanswered else alarm_answers.INCIDENT_ACKNOWLEDGED
    return answer.response(
        AcknowledgedIncident(
            **asdict(incident),
            acknowledged=result.done,
            refused=[
                RefusedAcknowledgement(alarm_id=alarm, reason=reason) for alarm, reason in result.refused
            ],
            unanswered=result.unanswered,
        )
    )


async def authorize_at_incident(request: Request) -> None:
    """Raise a problem unless a request may act wherever an alarm of its incident is: 404, 401 or 403."""
    context, rights = context_of(request), rights_of(request)
    if rights.principal.areas is None:
        return
    event, _ = await lookup_incident(context, request.path_params["id"], rights)
    # Also where those are that the principal does not see: the command concerns them, too.
    for member in event.members:
        alarm = context.hub.alarms.alarm(member.alarm)
        if alarm is not None:
            require_role_at(rights, "operator", alarm.entity)


_at_incident = [Depends(authorize_at_incident)]
_answers_of_commands = partial(
    answers,
    alarm_answers.DUTY_COMMAND_ACCEPTED,
    problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    role="operator",
    in_areas=True,
)


@router.post("/incidents/{id}/_snooze", summary="Snooze an incident", dependencies=_at_incident)
@_answers_of_commands(body=alarm_answers.SNOOZE_BODY)
async def snooze_incident(request: Request, id: IncidentId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Send no notifications of an incident until a time at most a day away, unless it worsens."""
    body = await read_body(request, PeriodBody)
    until = body.end(context_of(request).clock(), SNOOZE_MAX, "then another contact is on duty")
    return await _command(request, id, "snooze", key, text=body.comment, until=until)


@router.post("/incidents/{id}/_assign", summary="Assign an incident", dependencies=_at_incident)
@_answers_of_commands(body=alarm_answers.ASSIGN_BODY)
async def assign_incident(request: Request, id: IncidentId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Notify a contact of the duty plan of an incident, instead of the one who is on call."""
    body = await read_body(request, AssignBody)
    _check_contact(body.assignee, context_of(request).model)
    return await _command(request, id, "assign", key, text=body.assignee)


@router.post("/incidents/{id}/_comment", summary="Comment on an incident", dependencies=_at_incident)
@_answers_of_commands(body=alarm_answers.COMMENT_BODY)
async def comment_on_incident(
    request: Request, id: IncidentId, _: NoQuery, key: IdempotencyKey = ""
) -> Response:
    """Add a comment to an incident; its next notifications include it."""
    body = await read_body(request, CommentBody)
    return await _command(request, id, "comment", key, text=body.text)


def _check_contact(contact: str, model: CityModel) -> None:
    known = [each.id for each in model.duty.contacts]
    if contact not in known:
        expected = ", ".join(known) or "none: the city has no duty plan"
        raise bad_request(
            RequestFault("body", "assignee", "unknown", f"found {contact!r}; contacts are {expected}")
        )


async def _command(
    request: Request,
    id: str,
    action: Literal["snooze", "assign", "comment"],
    key: str,
    *,
    text: str,
    until: Instant | None = None,
) -> Response:
    """Send a command to the duty loop, which executes it later."""
    rights = rights_of(request)
    context = context_of(request)
    event, _ = await lookup_incident(context, id, rights)
    if not event.open and action != "comment":
        raise ProblemError(HTTPStatus.CONFLICT, "The incident is closed: it has no further notifications.")
    actor = actor_of(request)
    command = DutyCommand(command_id(actor, id, action, key), id, action, actor, context.clock(), until, text)
    await context.command_gateway.send_duty_command(command)
    return alarm_answers.DUTY_COMMAND_ACCEPTED.response(
        AcceptedDutyCommand(
            command_id=command.id, links=DutyCommandLinks(incident=Link(href=incident_path(id)))
        )
    )
