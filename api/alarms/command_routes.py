"""Routes of operator actions on alarms: each writes a command to the log and waits for its outcome."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from api.access.authorization import actor_of, require_role_at, rights_of
from api.alarms import answers as alarm_answers
from api.alarms.command_gateway import command_id
from api.alarms.documents import alarm_model, alarm_path
from api.alarms.lookup import lookup_alarm
from api.alarms.models import AcceptedAlarmCommand, AlarmCommandLinks
from api.alarms.routes import AlarmId
from api.alarms.schemas import SHELVE_MAX, AlarmAssignBody, AlarmCommentBody, AlarmRemarkBody, ShelveBody
from api.context import context_of
from api.http.answers import answers
from api.http.bodies import read_body
from api.http.models import Link
from api.http.parameters import NoQuery
from api.http.problems import ProblemError
from twin.alarms.messages import AlarmCommand
from twin.instant import Instant


async def authorize_at_alarm(request: Request) -> None:
    """Raise a problem unless a request may act where its alarm is: 404 for an unknown alarm, 401 or 403."""
    rights = rights_of(request)
    if rights.principal.areas is None:
        return  # The role of the route is enough; the command looks the alarm up.
    event = lookup_alarm(context_of(request), request.path_params["id"], rights)
    require_role_at(rights, "operator", event.entity)


router = APIRouter(prefix="/v1", tags=["alarms"], dependencies=[Depends(authorize_at_alarm)])

IDEMPOTENCY_KEY_CHARACTERS_MAX = 200
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=IDEMPOTENCY_KEY_CHARACTERS_MAX,
        description="Of your choice: the same action on the same alarm with the same key is done once.",
    ),
]


_answers_of_commands = partial(
    answers,
    alarm_answers.ALARM_COMMAND_DONE,
    alarm_answers.ALARM_COMMAND_ACCEPTED,
    problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    role="operator",
    in_areas=True,
)


@router.post("/alarms/{id}/_acknowledge", summary="Acknowledge an alarm")
@_answers_of_commands(body=alarm_answers.ALARM_REMARK_BODY)
async def acknowledge_alarm(request: Request, id: AlarmId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Acknowledge an alarm; `occurrence` refuses the command when the alarm was raised again since."""
    body = await read_body(request, AlarmRemarkBody)
    return await _command(request, id, "acknowledge", key, text=body.comment, occurrence=body.occurrence)


@router.post("/alarms/{id}/_shelve", summary="Shelve an alarm")
@_answers_of_commands(body=alarm_answers.SHELVE_BODY)
async def shelve_alarm(request: Request, id: AlarmId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Shelve an alarm until a time at most seven days away; it is unshelved automatically."""
    body = await read_body(request, ShelveBody)
    until = body.end(
        context_of(request).clock(),
        SHELVE_MAX,
        "an alarm that is unwanted for longer is taken out of service",
    )
    return await _command(
        request, id, "shelve", key, text=body.comment, occurrence=body.occurrence, until=until
    )


@router.post("/alarms/{id}/_assign", summary="Assign an alarm")
@_answers_of_commands(body=alarm_answers.ALARM_ASSIGN_BODY)
async def assign_alarm(request: Request, id: AlarmId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Set who is responsible for an alarm."""
    body = await read_body(request, AlarmAssignBody)
    return await _command(request, id, "assign", key, text=body.assignee, occurrence=body.occurrence)


@router.post("/alarms/{id}/_comment", summary="Comment on an alarm")
@_answers_of_commands(body=alarm_answers.ALARM_COMMENT_BODY)
async def comment_on_alarm(request: Request, id: AlarmId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Add a comment to the events of an alarm."""
    body = await read_body(request, AlarmCommentBody)
    return await _command(request, id, "comment", key, text=body.text, occurrence=body.occurrence)


async def _simple_command(request: Request, id: str, action: str, key: str) -> Response:
    body = await read_body(request, AlarmRemarkBody)
    return await _command(request, id, action, key, text=body.comment, occurrence=body.occurrence)


@router.post("/alarms/{id}/_unshelve", summary="Unshelve an alarm")
@_answers_of_commands(body=alarm_answers.ALARM_REMARK_BODY)
async def unshelve_alarm(request: Request, id: AlarmId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """End the shelving of an alarm before its time."""
    return await _simple_command(request, id, "unshelve", key)


@router.post("/alarms/{id}/_reset", summary="Reset a latched alarm")
@_answers_of_commands(body=alarm_answers.ALARM_REMARK_BODY)
async def reset_alarm(request: Request, id: AlarmId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Reset a latching alarm whose condition no longer holds."""
    return await _simple_command(request, id, "reset", key)


@router.post("/alarms/{id}/_remove", summary="Take an alarm out of service")
@_answers_of_commands(body=alarm_answers.ALARM_REMARK_BODY)
async def remove_alarm(request: Request, id: AlarmId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Take an alarm out of service until further notice."""
    return await _simple_command(request, id, "remove", key)


@router.post("/alarms/{id}/_restore", summary="Put an alarm back into service")
@_answers_of_commands(body=alarm_answers.ALARM_REMARK_BODY)
async def restore_alarm(request: Request, id: AlarmId, _: NoQuery, key: IdempotencyKey = "") -> Response:
    """Put an alarm back into service; its state then follows the process."""
    return await _simple_command(request, id, "restore", key)


async def _command(
    request: Request,
    id: str,
    action: str,
    key: str,
    *,
    text: str,
    occurrence: int,
    until: Instant | None = None,
) -> Response:
    rights = rights_of(request)
    context = context_of(request)
    event = lookup_alarm(context, id, rights)
    actor = actor_of(request)
    command = AlarmCommand(
        command_id(actor, id, action, key),
        id,
        event.entity,
        action,
        actor,
        context.clock(),
        occurrence,
        until,
        text,
    )
    result = await context.command_gateway.send_command(command)
    if result.outcome == "refused":
        raise ProblemError(HTTPStatus.CONFLICT, f"The alarm is unchanged: {result.refusal}.")
    if result.outcome == "unanswered":
        return alarm_answers.ALARM_COMMAND_ACCEPTED.response(
            AcceptedAlarmCommand(
                command_id=command.id,
                detail="The command is on the log; its outcome is not known yet.",
                links=AlarmCommandLinks(
                    alarm=Link(href=alarm_path(id)), events=Link(href=f"{alarm_path(id)}/events")
                ),
            )
        )
    event = lookup_alarm(context, id, rights)
    return alarm_answers.ALARM_COMMAND_DONE.response(
        alarm_model(event, context.hub.alarms.incident_of(id), context.model, rights)
    )
