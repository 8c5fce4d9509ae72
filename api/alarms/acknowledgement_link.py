"""Links that acknowledge: whoever was told of an incident says with one press that they know."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse, Response

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, LinkRefusal, verify_link
from api.acknowledge_page import CONTENT_SECURITY_POLICY, LinkOutcome, incident_page, refusal_page
from api.alarms import examples
from api.alarms.incident_acknowledgement import acknowledge_incident, awaits_acknowledgement
from api.context import ApiContext, context_of
from api.http.parameters import NoParameters
from api.http.problems import ProblemError, problem_response
from api.incident_lookup import lookup_incident
from twin.alarms.messages import AlarmEvent
from twin.model.duty import Contact
from twin.model.localization import Language
from twin.model.role import Role

router = APIRouter(tags=["duty"])

TOKEN_CHARACTERS_MAX = 2_000
Token = Annotated[str, Path(max_length=TOKEN_CHARACTERS_MAX, description="From a message.")]
Nothing = Annotated[NoParameters, Query()]

# Whoever is told of an incident sees of it what an operator sees.
_ROLE: Role = "operator"


@router.get(
    f"{LINK_PATH}{{token}}",
    summary="What a link that acknowledges is about",
    responses=examples.ACKNOWLEDGE_PAGE,
    response_class=Response,
)
async def show(request: Request, token: Token, _: Nothing) -> Response:
    """Show the incident of a link and a button; looking at it changes nothing."""
    context = context_of(request)
    try:
        link = _link(context, token)
        _event, alarms = await lookup_incident(context, link.incident, _ROLE)
    except ProblemError as problem:
        return _refused(request, problem)
    return _page(context, link, alarms, LinkOutcome())


@router.post(
    f"{LINK_PATH}{{token}}",
    summary="Acknowledge by a link",
    responses=examples.ACKNOWLEDGE_PAGE,
    response_class=Response,
)
async def acknowledge(request: Request, token: Token, _: Nothing) -> Response:
    """Acknowledge the alarms of a link's incident for its contact; once for each of their occurrences."""
    context = context_of(request)
    try:
        link = _link(context, token)
        _event, alarms = await lookup_incident(context, link.incident, _ROLE)
        became = await acknowledge_incident(context, alarms, _name(context, link), key=token)
        _event, alarms = await lookup_incident(context, link.incident, _ROLE)
    except ProblemError as problem:
        return _refused(request, problem)
    left = {one.alarm for one in alarms if awaits_acknowledgement(one)}
    told = LinkOutcome(
        acknowledged=any(one not in left for one in became.done),
        unanswered=bool(became.unanswered),
        already_used=any(one in left for one in became.done),
    )
    response = _page(context, link, alarms, told)
    if told.unanswered:
        response.status_code = HTTPStatus.ACCEPTED
    return response


def _link(context: ApiContext, token: str) -> AcknowledgeLink:
    """Return what a link says; raise a problem: 410 for one that has expired, 404 for another's."""
    key = context.settings.link_key
    if key is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "Links are not good here: this server has no key for them.")
    found = verify_link(key.get_secret_value().encode(), token, context.clock())
    if isinstance(found, LinkRefusal):
        raise ProblemError(
            HTTPStatus.GONE if found.expired else HTTPStatus.NOT_FOUND,
            f"{found.reason[:1].upper()}{found.reason[1:]}; acknowledge the alarm on the page instead.",
        )
    return found


def _contact(context: ApiContext, link: AcknowledgeLink) -> Contact | None:
    return next((one for one in context.model.duty.contacts if one.id == link.contact), None)


def _name(context: ApiContext, link: AcknowledgeLink) -> str:
    contact = _contact(context, link)
    return contact.name if contact is not None else link.contact


def _page(
    context: ApiContext, link: AcknowledgeLink, alarms: list[AlarmEvent], told: LinkOutcome
) -> Response:
    contact = _contact(context, link)
    language: Language = contact.language if contact is not None else "nl"
    zone = ZoneInfo(context.model.city.timezone)
    return _html(incident_page(alarms, _name(context, link), language, zone, told))


def _refused(request: Request, problem: ProblemError) -> Response:
    """Return a page for people, and a problem document for programs."""
    if "text/html" not in request.headers.get("accept", ""):
        return problem_response(problem, request.url.path)
    language: Language = "en" if request.headers.get("accept-language", "").startswith("en") else "nl"
    response = _html(refusal_page(problem.detail, language))
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def _html(text: str) -> Response:
    return HTMLResponse(text, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})
