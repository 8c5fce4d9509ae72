"""Routes of duty: the contacts on call, the roster, and overrides of it."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from alerting.policy.roster import duty_shifts
from api.access.authorization import actor_of, rights_of
from api.context import context_of
from api.duty import answers as duty_answers
from api.duty.documents import RosterSpan, on_call_model, override_model, roster_calendar, shift_model
from api.duty.models import OnCallPage
from api.duty.schemas import (
    ROSTER_DEFAULT,
    ROSTER_MAX,
    OnCallParameters,
    OverrideBody,
    RosterParameters,
)
from api.http.answers import answers
from api.http.bodies import read_body
from api.http.negotiation import media_type_of
from api.http.pages import Page, page_links_model
from api.http.parameters import NoQuery, instant_or
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from cities.files.items import suggestion
from storage.model.duty_overrides import (
    TooManyOverridesError,
    create_override,
    find_override,
    read_overrides,
    withdraw_override,
)
from twin.instant import INSTANT_MAX, Instant, format_instant
from twin.model.duty import DutyOverride, DutyPlan, DutyTeam

router = APIRouter(prefix="/v1", tags=["duty"])

OverrideId = Annotated[str, Path(max_length=64)]


@router.get("/duty/on-call", summary="Get the contacts on call")
@answers(duty_answers.ON_CALL, role="viewer")
async def get_on_call_contacts(
    request: Request, parameters: Annotated[OnCallParameters, Query()]
) -> Response:
    """Return the contact on call for each team at a time, and the next contact.

    For viewers and above; addresses are for the role duty and above. Served without the database.
    """
    rights = rights_of(request)
    context = context_of(request)
    plan, at = context.model.duty, instant_or(parameters.at, context.clock())
    faults = [] if 0 <= at < INSTANT_MAX - ROSTER_MAX else [_out_of_range("at")]
    teams = _teams(plan, parameters.team, faults)
    return duty_answers.ON_CALL.response(
        OnCallPage(
            at=format_instant(at),
            items=[on_call_model(plan, team, at, rights) for team in teams],
            links=page_links_model(request, None),
        )
    )


@router.get("/duty/roster", summary="List the shifts of the roster")
@answers(duty_answers.ROSTER, duty_answers.ROSTER_CALENDAR, role="viewer")
async def list_shifts(request: Request, parameters: Annotated[RosterParameters, Query()]) -> Response:
    """List the consecutive shifts of each team; as iCalendar for `Accept: text/calendar`.

    The first and the last shift are cut at `start` and `end`; in iCalendar they are whole.
    For viewers and above; addresses are for the role duty and above.
    """
    rights = rights_of(request)
    context = context_of(request)
    model, now = context.model, context.clock()
    start = instant_or(parameters.start, now)
    end = instant_or(parameters.end, start + ROSTER_DEFAULT)
    faults = [] if 0 <= start < INSTANT_MAX - ROSTER_MAX else [_out_of_range("start")]
    if not start < end <= start + ROSTER_MAX:
        detail = f"found {format_instant(end)}, expected later than start, by at most 366 days"
        faults.append(RequestFault("query", "end", "range", detail))
    shifts = [
        (team, shift)
        for team in _teams(model.duty, parameters.team, faults)
        for shift in duty_shifts(model.duty, team.id, start, end)
    ]
    if media_type_of(request) == duty_answers.CALENDAR:
        calendar = roster_calendar(model.city, model.duty, shifts, RosterSpan(start, end), now)
        return duty_answers.ROSTER_CALENDAR.response(calendar)
    items = [shift_model(model.duty, team, shift, rights) for team, shift in shifts]
    return duty_answers.ROSTER.response(Page(items=items, links=page_links_model(request, None)))


@router.get("/duty/overrides", summary="List present and future overrides")
@answers(duty_answers.OVERRIDES, role="viewer")
async def list_duty_overrides(request: Request, _: NoQuery) -> Response:
    """List the overrides that are neither withdrawn nor over, in the order of creation."""
    rights = rights_of(request)
    async with context_of(request).database.connection() as connection:
        overrides = await read_overrides(connection, 0)
    items = [override_model(override, rights.role) for override in overrides]
    return duty_answers.OVERRIDES.response(Page(items=items, links=page_links_model(request, None)))


@router.post("/duty/overrides", summary="Create an override")
@answers(duty_answers.MADE, problems=(HTTPStatus.CONFLICT,), role="duty", body=duty_answers.OVERRIDE_BODY)
async def create_duty_override(request: Request, _: NoQuery) -> Response:
    """Let a contact take over a team's duty for some time; the last created of several overrides applies."""
    rights = rights_of(request)
    context = context_of(request)
    body = await read_body(request, OverrideBody)
    override = _requested_override(body, context.model.duty, context.clock())
    actor = actor_of(request)
    async with context.database.connection() as connection:
        try:
            stored = await create_override(connection, context.model.city.id, override, actor)
        except TooManyOverridesError as error:
            raise ProblemError(HTTPStatus.CONFLICT, f"{error}.") from None
    headers = {"Location": f"/v1/duty/overrides/{stored.override.id}"}
    return duty_answers.MADE.response(override_model(stored, rights.role), headers)


@router.get("/duty/overrides/{id}", summary="Get an override")
@answers(duty_answers.OVERRIDE, problems=(HTTPStatus.NOT_FOUND,), role="viewer")
async def get_duty_override(request: Request, id: OverrideId, _: NoQuery) -> Response:
    """Return an override, including one that is withdrawn or over."""
    rights = rights_of(request)
    async with context_of(request).database.connection() as connection:
        stored = await find_override(connection, id)
    if stored is None:
        raise _unknown_override(id)
    return duty_answers.OVERRIDE.response(override_model(stored, rights.role))


@router.delete("/duty/overrides/{id}", summary="Withdraw an override")
@answers(duty_answers.WITHDRAWN, problems=(HTTPStatus.NOT_FOUND,), role="duty")
async def delete_duty_override(request: Request, id: OverrideId, _: NoQuery) -> Response:
    """Withdraw an override: it no longer applies, and stays on record. Repeating changes nothing."""
    actor = actor_of(request)
    context = context_of(request)
    async with context.database.connection() as connection:
        if (
            await withdraw_override(connection, context.model.city.id, id, actor) is None
            and await find_override(connection, id) is None
        ):
            raise _unknown_override(id)
    return duty_answers.WITHDRAWN.response()


def _teams(plan: DutyPlan, ids: list[str], faults: list[RequestFault]) -> list[DutyTeam]:
    """Return the requested teams; raise a problem with `faults` and those of unknown teams."""
    known = {team.id: team for team in plan.teams}
    faults += [
        RequestFault("query", "team", "unknown", _unknown_id("team", id, known))
        for id in ids
        if id not in known
    ]
    if faults:
        raise bad_request(*faults)
    return [known[id] for id in ids or known]


def _requested_override(body: OverrideBody, plan: DutyPlan, now: Instant) -> DutyOverride:
    """Return the override of a body; raise a problem with all its faults."""
    start, end = instant_or(body.start, now), instant_or(body.end, now)
    faults: list[tuple[str, str, str]] = []
    teams = [team.id for team in plan.teams]
    contacts = [contact.id for contact in plan.contacts]
    if body.team_id not in teams:
        faults.append(("teamId", "unknown", _unknown_id("team", body.team_id, teams)))
    if body.contact_id not in contacts:
        faults.append(("contactId", "unknown", _unknown_id("contact", body.contact_id, contacts)))
    if not start < end <= start + ROSTER_MAX:
        detail = f"found {format_instant(end)}, expected later than start, by at most 366 days"
        faults.append(("end", "range", detail))
    elif end <= now:
        faults.append(("end", "range", f"found {format_instant(end)}, which is over; expected a future time"))
    if faults:
        raise bad_request(*(RequestFault("body", *fault) for fault in faults))
    return DutyOverride(
        id="", team=body.team_id, contact=body.contact_id, start=start, end=end, note=body.note
    )


def _unknown_id(kind: str, id: str, known: Iterable[str]) -> str:
    return f"found {id[:100]!r}, expected the id of a {kind} of the duty plan{suggestion(id, known)}"


def _out_of_range(name: str) -> RequestFault:
    return RequestFault(
        "query", name, "range", "expected a time from 1970 on, and not at the end of the time range"
    )


def _unknown_override(id: str) -> ProblemError:
    return not_found(f"There is no override {id!r}; /v1/duty/overrides lists the present and future ones.")
