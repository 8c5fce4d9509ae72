"""Duty: who is on call, the roster, and overrides by which somebody takes over."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from alerting.policy.roster import duty_shifts
from api.context import context_of
from api.duty import examples
from api.duty.documents import on_call_document, override_document, roster_calendar, shift_document
from api.duty.schemas import (
    ROSTER_DEFAULT,
    ROSTER_MAX,
    OnCallParameters,
    OverrideBody,
    RosterParameters,
)
from api.http.access import actor_of, require_role
from api.http.bodies import read_body
from api.http.parameters import NoParameters, instant_or
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import collection_document, json_response, page_links
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

CALENDAR = "text/calendar"

OverrideId = Annotated[str, Path(max_length=64)]
Nothing = Annotated[NoParameters, Query()]


@router.get("/duty/on-call", summary="Who is on call", responses=examples.ON_CALL)
async def get_on_call(request: Request, wanted: Annotated[OnCallParameters, Query()]) -> Response:
    """Return who is on call for each team at a time, and who would be asked next.

    For viewers and above; addresses are for those who have duty. Answered from memory, whether or not the
    database is there.
    """
    role = require_role(request, "viewer")
    context = context_of(request)
    plan, at = context.model.duty, instant_or(wanted.at, context.clock())
    faults = [] if 0 <= at < INSTANT_MAX - ROSTER_MAX else [_unfit("at")]
    teams = _teams(plan, wanted.team, faults)
    items = [on_call_document(plan, one, at, role) for one in teams]
    return json_response({"at": format_instant(at), "items": items, "_links": page_links(request, None)})


@router.get("/duty/roster", summary="Who is on call when", responses=examples.ROSTER)
async def get_roster(request: Request, wanted: Annotated[RosterParameters, Query()]) -> Response:
    """List the shifts of each team, without holes; as iCalendar for `Accept: text/calendar`.

    For viewers and above; addresses are for those who have duty.
    """
    role = require_role(request, "viewer")
    context = context_of(request)
    model, now = context.model, context.clock()
    start = instant_or(wanted.start, now)
    end = instant_or(wanted.end, start + ROSTER_DEFAULT)
    faults = [] if 0 <= start < INSTANT_MAX - ROSTER_MAX else [_unfit("start")]
    if not start < end <= start + ROSTER_MAX:
        detail = f"found {format_instant(end)}, expected later than start, by at most 366 days"
        faults.append(RequestFault("query", "end", "range", detail))
    found = [
        (team, shift)
        for team in _teams(model.duty, wanted.team, faults)
        for shift in duty_shifts(model.duty, team.id, start, end)
    ]
    if CALENDAR in request.headers.get("accept", ""):
        content = roster_calendar(model.city, model.duty, found, now)
        return Response(content, media_type=CALENDAR, headers={"Vary": "Accept"})
    items = [shift_document(model.duty, team, shift, role) for team, shift in found]
    return json_response(collection_document(request, items, None))


@router.get("/duty/overrides", summary="Overrides that are not over", responses=examples.OVERRIDES)
async def list_overrides(request: Request, _: Nothing) -> Response:
    """List the overrides that count and are not over, in the order in which they were made."""
    role = require_role(request, "viewer")
    async with context_of(request).database.connection() as connection:
        found = await read_overrides(connection, 0)
    return json_response(collection_document(request, [override_document(one, role) for one in found], None))


@router.post(
    "/duty/overrides",
    summary="Let somebody take over",
    status_code=HTTPStatus.CREATED,
    responses=examples.MADE,
    openapi_extra=examples.OVERRIDE_BODY,
)
async def add_override(request: Request, _: Nothing) -> Response:
    """Let a contact take over a team's duty for a while; of several, the last one made counts."""
    role = require_role(request, "duty")
    context = context_of(request)
    wanted = _override(await read_body(request, OverrideBody), context.model.duty, context.clock())
    actor = await actor_of(request)
    async with context.database.connection() as connection:
        try:
            made = await create_override(connection, context.model.city.id, wanted, actor)
        except TooManyOverridesError as error:
            raise ProblemError(HTTPStatus.CONFLICT, f"{error}.") from None
    response = json_response(override_document(made, role))
    response.status_code = HTTPStatus.CREATED
    response.headers["Location"] = f"/v1/duty/overrides/{made.override.id}"
    return response


@router.get("/duty/overrides/{id}", summary="One override", responses=examples.OVERRIDE)
async def get_override(request: Request, id: OverrideId, _: Nothing) -> Response:
    """Return an override, also one that was withdrawn or is over."""
    role = require_role(request, "viewer")
    async with context_of(request).database.connection() as connection:
        found = await find_override(connection, id)
    if found is None:
        raise _no_override(id)
    return json_response(override_document(found, role))


@router.delete("/duty/overrides/{id}", summary="Withdraw an override", status_code=HTTPStatus.NO_CONTENT)
async def delete_override(request: Request, id: OverrideId, _: Nothing) -> Response:
    """Withdraw an override: it no longer counts, and stays on record. Again, it changes nothing."""
    require_role(request, "duty")
    actor = await actor_of(request)
    context = context_of(request)
    async with context.database.connection() as connection:
        if (
            await withdraw_override(connection, context.model.city.id, id, actor) is None
            and await find_override(connection, id) is None
        ):
            raise _no_override(id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _teams(plan: DutyPlan, wanted: list[str], faults: list[RequestFault]) -> list[DutyTeam]:
    """Return the teams that are asked for; raise a problem with `faults` and those of unknown teams."""
    known = {one.id: one for one in plan.teams}
    faults += [
        RequestFault("query", "team", "unknown", _unknown("team", one, known))
        for one in wanted
        if one not in known
    ]
    if faults:
        raise bad_request(*faults)
    return [known[one] for one in wanted or known]


def _override(body: OverrideBody, plan: DutyPlan, now: Instant) -> DutyOverride:
    """Return what a body asks for; raise a problem with all its faults."""
    start, end = instant_or(body.start, now), instant_or(body.end, now)
    faults: list[tuple[str, str, str]] = []
    teams = [one.id for one in plan.teams]
    contacts = [one.id for one in plan.contacts]
    if body.team_id not in teams:
        faults.append(("teamId", "unknown", _unknown("team", body.team_id, teams)))
    if body.contact_id not in contacts:
        faults.append(("contactId", "unknown", _unknown("contact", body.contact_id, contacts)))
    if not start < end <= start + ROSTER_MAX:
        found = f"found {format_instant(end)}, expected later than start, by at most 366 days"
        faults.append(("end", "range", found))
    elif end <= now:
        faults.append(
            ("end", "range", f"found {format_instant(end)}, which is over; expected a time to come")
        )
    if faults:
        raise bad_request(*(RequestFault("body", *one) for one in faults))
    return DutyOverride(
        id="", team=body.team_id, contact=body.contact_id, start=start, end=end, note=body.note
    )


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"found {name[:100]!r}, expected the id of a {what} of the duty plan{suggestion(name, known)}"


def _unfit(name: str) -> RequestFault:
    return RequestFault("query", name, "range", "expected a time from 1970 on, not at the end of all times")


def _no_override(id: str) -> ProblemError:
    return not_found(f"There is no override {id!r}; /v1/duty/overrides lists those that are not over.")
