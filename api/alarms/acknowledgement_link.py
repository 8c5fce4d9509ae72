"""Acknowledgement links of notifications: what they show, as a page and as JSON, and how they acknowledge.

Mail scanners follow every link: opening it changes nothing, only the button does. The page is plain HTML
without a script, for every browser; a page with a script asks for JSON.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, Response

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, LinkRefusal, verify_link
from api.access.rights import rights_of_role
from api.alarms import answers as alarm_answers
from api.alarms.command_routes import IdempotencyKey
from api.alarms.incident_acknowledgement import acknowledge_incident
from api.alarms.links.link_document import link_acknowledgement, linked_incident_model
from api.alarms.links.link_page import CONTENT_SECURITY_POLICY, LinkPage, refusal_page
from api.alarms.links.linked_incident import (
    LINKED_NOTIFICATIONS_MAX,
    AcknowledgementOutcome,
    LinkedAlarms,
    LinkedIncident,
    LinkOutcome,
    acknowledgement_outcome,
    next_step,
)
from api.alarms.lookup import lookup_incident
from api.alarms.visibility import may_see_alarm
from api.context import ApiContext, context_of
from api.http.answers import JSON, answers
from api.http.header_values import parse_weighted
from api.http.negotiation import accept_of, preferred
from api.http.parameters import NoQuery
from api.http.problems import MEDIA_TYPE, ProblemError, RequestFault, not_found, problem_response
from storage.stores.alarms import read_stored_notifications
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.model.bilingual_text import Language
from twin.model.duty import Contact
from twin.wire.duty_messages import NotificationEvent

router = APIRouter(tags=["duty"])

TOKEN_CHARACTERS_MAX = 8_000
Token = Annotated[str, Path(max_length=TOKEN_CHARACTERS_MAX, description="From a notification.")]

# A contact who is notified of an incident sees as much of it as an operator.
_RIGHTS = rights_of_role("operator")

_SECURITY = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
_BY_ACCEPT = {"Vary": "Accept"}


class _Opened(NamedTuple):
    """A valid link that was opened."""

    link: AcknowledgeLink
    contact: Contact
    path: str
    as_json: bool


@router.get(f"{LINK_PATH}{{token}}", summary="Show the incident of an acknowledgement link")
@answers(
    alarm_answers.ACKNOWLEDGE_PAGE,
    alarm_answers.LINKED_INCIDENT,
    *alarm_answers.ACKNOWLEDGE_REFUSALS,
    problems=(HTTPStatus.NOT_FOUND, HTTPStatus.GONE),
    negotiated=False,
)
async def show_acknowledgement_page(request: Request, token: Token, _: NoQuery) -> Response:
    """Return the alarms of the incident, the worst first, and a button; opening it changes nothing.

    A page for browsers, JSON for `Accept: application/json`.
    """
    context = context_of(request)
    try:
        opened = _open(request, token)
        linked = await _linked_incident(context, opened.link)
    except ProblemError as problem:
        return _refused(request, problem)
    return _shown(context, opened, linked, None)


@router.post(f"{LINK_PATH}{{token}}", summary="Acknowledge an incident by a link")
@answers(
    alarm_answers.ACKNOWLEDGE_PAGE,
    alarm_answers.LINK_ACKNOWLEDGED,
    alarm_answers.ACKNOWLEDGE_PAGE_UNANSWERED,
    alarm_answers.LINK_UNANSWERED,
    *alarm_answers.ACKNOWLEDGE_REFUSALS,
    problems=(HTTPStatus.NOT_FOUND, HTTPStatus.GONE),
    negotiated=False,
)
async def confirm_acknowledgement(
    request: Request, token: Token, _: NoQuery, _key: IdempotencyKey = ""
) -> Response:
    """Acknowledge for the link's contact what its message told of; once for each occurrence.

    As JSON it says whether it counted, also when it was sent late or twice: the link is the key by which it
    is done once, so `Idempotency-Key` may be left out and changes nothing.
    """
    context = context_of(request)
    try:
        opened = _open(request, token)
        outcome = (await acknowledge_by_link(context, opened.link, opened.contact, key=token))[1]
        linked = await _linked_incident(context, opened.link)
    except ProblemError as problem:
        return _refused(request, problem)
    return _shown(context, opened, linked, acknowledgement_outcome(opened.contact, linked.alarms, outcome))


async def acknowledge_by_link(
    context: ApiContext, link: AcknowledgeLink, contact: Contact, *, key: str
) -> tuple[LinkedAlarms, LinkOutcome]:
    """Acknowledge for a contact what the message of a link told of; once for each occurrence and `key`.

    Return the alarms afterwards. Raises ProblemError: as `lookup_incident`, or 503 when the log does not
    confirm the commands.
    """
    _, alarms = await _linked_alarms(context, link)
    told = [event for event in alarms if link.covers(event)]
    result = await acknowledge_incident(context, told, contact.name, key=key)
    linked = LinkedAlarms.of(link, (await _linked_alarms(context, link))[1])
    waiting = {event.alarm for event in linked.waiting}
    outcome = LinkOutcome(
        acknowledged=any(alarm not in waiting for alarm in result.done),
        unanswered=bool(result.unanswered),
        already_used=any(alarm in waiting for alarm in result.done),
    )
    return linked, outcome


def _open(request: Request, token: str) -> _Opened:
    """Return a verified link and its contact.

    Raises ProblemError: 410 when the link has expired, or its contact is not in the duty plan any more; 404
    when it is not valid.
    """
    context = context_of(request)
    key = context.settings.link_key
    if key is None:
        raise not_found("This server has no key to verify acknowledgement links.")
    link = verify_link(key.get_secret_value().encode(), token, context.clock())
    if isinstance(link, LinkRefusal):
        detail = f"{link.reason[:1].upper()}{link.reason[1:]}; acknowledge the alarm on the page instead."
        raise _gone("expired", detail) if link.expired else not_found(detail)
    for contact in context.model.duty.contacts:
        if contact.id == link.contact:
            as_json = preferred(accept_of(request), ("text/html", JSON)) == JSON
            return _Opened(link, contact, request.url.path, as_json)
    raise _gone(
        "not-in-plan",
        f"Contact {link.contact} of this link is not in the duty plan any more; "
        "acknowledge the alarm on the page instead.",
    )


def _gone(code: str, detail: str) -> ProblemError:
    """Return the problem of a link that was valid; `code` says why to a program that sends it late."""
    return ProblemError(HTTPStatus.GONE, detail, faults=[RequestFault("path", "token", code, detail)])


async def _linked_alarms(
    context: ApiContext, link: AcknowledgeLink
) -> tuple[IncidentEvent | None, list[AlarmEvent]]:
    """Return the link's incident and its alarms; of a digest those of each cause and area that it told of.

    Raises ProblemError: as `lookup_incident`.
    """
    if link.incident:
        return await lookup_incident(context, link.incident, _RIGHTS)
    known = [one for one in context.hub.alarms.standing() if may_see_alarm(_RIGHTS, one, context.model)]
    told = {(event.cause, event.area) for event in known if link.covers(event)}
    return None, [event for event in known if (event.cause, event.area) in told]


async def _linked_incident(context: ApiContext, link: AcknowledgeLink) -> LinkedIncident:
    """Return everything that a link shows. Raises ProblemError: as `lookup_incident`."""
    incident, alarms = await _linked_alarms(context, link)
    linked = LinkedAlarms.of(link, alarms)
    if incident is None:
        return LinkedIncident(None, linked, None, None)
    notifications = await _notifications(context, incident.incident)
    following = next_step(incident, notifications or (), context.model)
    return LinkedIncident(incident, linked, notifications, following)


async def _notifications(context: ApiContext, incident: str) -> list[NotificationEvent] | None:
    """Return the newest notifications of an incident; None while the database is away: the button works."""
    try:
        async with context.database.connection() as connection:
            return await read_stored_notifications(
                connection, before=None, limit=LINKED_NOTIFICATIONS_MAX, incident=incident
            )
    except ProblemError:
        return None


def _shown(
    context: ApiContext, opened: _Opened, linked: LinkedIncident, outcome: AcknowledgementOutcome | None
) -> Response:
    model, view = context.model, context.hub.view
    if not opened.as_json:
        answer = (
            alarm_answers.ACKNOWLEDGE_PAGE_UNANSWERED
            if outcome == "unanswered"
            else alarm_answers.ACKNOWLEDGE_PAGE
        )
        page = LinkPage(opened.contact, model, view, _RIGHTS).render(linked, outcome)
        return answer.response(page, {**_SECURITY, **_BY_ACCEPT})
    document = linked_incident_model(
        linked,
        opened.contact,
        opened.path,
        model=model,
        view=view,
        rights=_RIGHTS,
        now=context.clock(),
    )
    if outcome is None:
        return alarm_answers.LINKED_INCIDENT.response(document, _BY_ACCEPT)
    told = alarm_answers.LINK_UNANSWERED if outcome == "unanswered" else alarm_answers.LINK_ACKNOWLEDGED
    return told.response(link_acknowledgement(document, outcome, linked, opened.contact, model), _BY_ACCEPT)


def _refused(request: Request, problem: ProblemError) -> Response:
    """Return a page for browsers, and a problem document for other clients."""
    if preferred(accept_of(request), (MEDIA_TYPE, JSON, "text/html")) != "text/html":
        return problem_response(problem, request.url.path)
    page = refusal_page(problem.detail, _language_of(request))
    return HTMLResponse(page, problem.status, headers={**_SECURITY, **problem.headers})


def _language_of(request: Request) -> Language:
    """Return which of the two languages a browser prefers; Dutch, if it says nothing about them."""
    weights = {"nl": 0.0, "en": 0.0}
    for name, _, quality in parse_weighted(request.headers.get("accept-language", "")):
        language = name.partition("-")[0].lower()
        if language in weights:
            weights[language] = max(weights[language], quality)
    return "en" if weights["en"] > weights["nl"] else "nl"
