"""Acknowledgement links of notifications, and the page behind them: the alarms and one button.

Mail scanners follow every link: opening the page changes nothing, only the button does. The page is plain
HTML without a script.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, Response

from alerting.delivery.acknowledge_links import LINK_PATH, AcknowledgeLink, LinkRefusal, verify_link
from alerting.messages.phrases import severity_label
from api.access.rights import rights_of_role
from api.alarms import answers as alarm_answers
from api.alarms.incident_acknowledgement import acknowledge_incident, awaits_acknowledgement
from api.alarms.lookup import lookup_incident
from api.alarms.visibility import may_see_alarm
from api.context import ApiContext, context_of
from api.http.answers import answers
from api.http.negotiation import accept_of, preferred
from api.http.parameters import NoQuery
from api.http.problems import MEDIA_TYPE, ProblemError, not_found, problem_response
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant, to_datetime
from twin.model.bilingual_text import Language
from twin.model.duty import Contact

router = APIRouter(tags=["duty"])

TOKEN_CHARACTERS_MAX = 8_000
Token = Annotated[str, Path(max_length=TOKEN_CHARACTERS_MAX, description="From a notification.")]

# A contact who is notified of an incident sees as much of it as an operator.
_RIGHTS = rights_of_role("operator")

# Only this page may send a form, and only to its own origin.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_SECURITY = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Acknowledge",
        "button": "Acknowledge: I am handling this",
        "waiting": "These alarms wait for an acknowledgement:",
        "later": "These came after your message or have become worse; this link does not acknowledge them:",
        "none": "No alarm waits for an acknowledgement any more.",
        "done": "Thank you. Your acknowledgement is recorded.",
        "open": "The command is being processed; reload this page in a moment.",
        "used": "This link was already used for this occurrence; acknowledge the alarm on the page.",
        "by": "acknowledged by",
        "since": "since",
        "page": "To the page",
        "bad": "This link cannot be used",
    },
    "nl": {
        "title": "Bevestigen",
        "button": "Bevestigen: ik pak dit op",
        "waiting": "Deze alarmen wachten op een bevestiging:",
        "later": "Deze kwamen na uw bericht of zijn erger geworden; deze link bevestigt ze niet:",
        "none": "Er wacht geen alarm meer op een bevestiging.",
        "done": "Dank u. Uw bevestiging is vastgelegd.",
        "open": "De opdracht wordt verwerkt; vernieuw deze pagina over een ogenblik.",
        "used": "Deze link is voor dit voorval al gebruikt; bevestig het op de pagina.",
        "by": "bevestigd door",
        "since": "sinds",
        "page": "Naar de pagina",
        "bad": "Deze link kan niet worden gebruikt",
    },
}

_STYLE = (
    "body{font:1.05rem/1.5 system-ui,sans-serif;max-width:38rem;margin:2rem auto;padding:0 1rem;"
    "color:#16232e;background:#f6f8fa}h1{font-size:1.4rem}li{margin:.6rem 0}small{color:#4a5b68}"
    "button{font:inherit;font-weight:600;padding:.8rem 1.4rem;border:0;border-radius:.4rem;"
    "background:#0b5cad;color:#fff;cursor:pointer;width:100%}"
    "button:focus-visible{outline:3px solid #f2a900}"
    "@media(prefers-color-scheme:dark){body{color:#e4ebf0;background:#10181f}small{color:#a9b8c3}"
    "a{color:#7db8f5}}"
)


@router.get(f"{LINK_PATH}{{token}}", summary="Show the incident of an acknowledgement link")
@answers(
    alarm_answers.ACKNOWLEDGE_PAGE,
    *alarm_answers.ACKNOWLEDGE_REFUSALS,
    problems=(HTTPStatus.NOT_FOUND, HTTPStatus.GONE),
    negotiated=False,
)
async def show_acknowledgement_page(request: Request, token: Token, _: NoQuery) -> Response:
    """Return a page with the alarms of the incident and a button; opening it changes nothing."""
    context = context_of(request)
    try:
        link, contact = _link(context, token)
        alarms = await _linked_alarms(context, link)
    except ProblemError as problem:
        return _refused(request, problem)
    return _page(context, contact, LinkedAlarms.of(link, alarms), LinkOutcome())


@router.post(f"{LINK_PATH}{{token}}", summary="Acknowledge an incident by a link")
@answers(
    alarm_answers.ACKNOWLEDGE_PAGE,
    alarm_answers.ACKNOWLEDGE_PAGE_UNANSWERED,
    *alarm_answers.ACKNOWLEDGE_REFUSALS,
    problems=(HTTPStatus.NOT_FOUND, HTTPStatus.GONE),
    negotiated=False,
)
async def confirm_acknowledgement(request: Request, token: Token, _: NoQuery) -> Response:
    """Acknowledge for the link's contact what its message told of; once for each occurrence."""
    context = context_of(request)
    try:
        link, contact = _link(context, token)
        linked, outcome = await acknowledge_by_link(context, link, contact, key=token)
    except ProblemError as problem:
        return _refused(request, problem)
    return _page(context, contact, linked, outcome)


async def acknowledge_by_link(
    context: ApiContext, link: AcknowledgeLink, contact: Contact, *, key: str
) -> tuple[LinkedAlarms, LinkOutcome]:
    """Acknowledge for a contact what the message of a link told of; once for each occurrence and `key`.

    Return the alarms afterwards. Raises ProblemError: as `lookup_incident`, or 503 when the log does not
    confirm the commands.
    """
    told = [event for event in await _linked_alarms(context, link) if link.covers(event)]
    result = await acknowledge_incident(context, told, contact.name, key=key)
    linked = LinkedAlarms.of(link, await _linked_alarms(context, link))
    waiting = {event.alarm for event in linked.waiting}
    outcome = LinkOutcome(
        acknowledged=any(alarm not in waiting for alarm in result.done),
        unanswered=bool(result.unanswered),
        already_used=any(alarm in waiting for alarm in result.done),
    )
    return linked, outcome


def _link(context: ApiContext, token: str) -> tuple[AcknowledgeLink, Contact]:
    """Return a verified link and its contact.

    Raises ProblemError: 410 when the link has expired, or its contact is not in the duty plan any more; 404
    when it is not valid.
    """
    key = context.settings.link_key
    if key is None:
        raise not_found("This server has no key to verify acknowledgement links.")
    link = verify_link(key.get_secret_value().encode(), token, context.clock())
    if isinstance(link, LinkRefusal):
        raise ProblemError(
            HTTPStatus.GONE if link.expired else HTTPStatus.NOT_FOUND,
            f"{link.reason[:1].upper()}{link.reason[1:]}; acknowledge the alarm on the page instead.",
        )
    for contact in context.model.duty.contacts:
        if contact.id == link.contact:
            return link, contact
    raise ProblemError(
        HTTPStatus.GONE,
        f"Contact {link.contact} of this link is not in the duty plan any more; "
        "acknowledge the alarm on the page instead.",
    )


async def _linked_alarms(context: ApiContext, link: AcknowledgeLink) -> list[AlarmEvent]:
    """Return the alarms of the link's incident; of a digest those of each cause and area that it told of.

    Raises ProblemError: as `lookup_incident`.
    """
    if link.incident:
        _event, alarms = await lookup_incident(context, link.incident, _RIGHTS)
        return alarms
    known = [one for one in context.hub.alarms.standing() if may_see_alarm(_RIGHTS, one, context.model)]
    told = {(event.cause, event.area) for event in known if link.covers(event)}
    return [event for event in known if (event.cause, event.area) in told]


def _page(context: ApiContext, contact: Contact, alarms: LinkedAlarms, outcome: LinkOutcome) -> Response:
    zone = ZoneInfo(context.model.city.timezone)
    answer = (
        alarm_answers.ACKNOWLEDGE_PAGE_UNANSWERED if outcome.unanswered else alarm_answers.ACKNOWLEDGE_PAGE
    )
    page = incident_page(alarms, contact.name, contact.language, zone, outcome)
    return answer.response(page, _SECURITY)


def _refused(request: Request, problem: ProblemError) -> Response:
    """Return a page for browsers, and a problem document for other clients."""
    if preferred(accept_of(request), (MEDIA_TYPE, "text/html")) != "text/html":
        return problem_response(problem, request.url.path)
    language: Language = "en" if request.headers.get("accept-language", "").startswith("en") else "nl"
    page = refusal_page(problem.detail, language)
    return HTMLResponse(page, problem.status, headers={**_SECURITY, **problem.headers})


class LinkedAlarms(NamedTuple):
    """The alarms of a link's incident, or of the incidents of its digest."""

    told: tuple[AlarmEvent, ...]  #: of which its message told
    later: tuple[AlarmEvent, ...]  #: others that wait for an acknowledgement

    @classmethod
    def of(cls, link: AcknowledgeLink, alarms: Iterable[AlarmEvent]) -> LinkedAlarms:
        """Divide the alarms of an incident by what a link covers."""
        known = tuple(alarms)
        return cls(
            tuple(event for event in known if link.covers(event)),
            tuple(event for event in known if not link.covers(event) and awaits_acknowledgement(event)),
        )

    @property
    def waiting(self) -> tuple[AlarmEvent, ...]:
        """The alarms that the link acknowledges."""
        return tuple(event for event in self.told if awaits_acknowledgement(event))


class LinkOutcome(NamedTuple):
    """The result of pressing the button; all False before."""

    acknowledged: bool = False
    unanswered: bool = False
    already_used: bool = False


def incident_page(
    alarms: LinkedAlarms, name: str, language: Language, zone: ZoneInfo, outcome: LinkOutcome
) -> str:
    """Return the page of a link's alarms for the contact `name`; times are shown in `zone`."""
    words = _WORDS[language]
    waiting = alarms.waiting
    status = "".join(
        f"<p role=status>{escape(words[word])}</p>"
        for word, applies in (
            ("done", outcome.acknowledged),
            ("open", outcome.unanswered),
            ("used", outcome.already_used),
        )
        if applies
    )
    form = ""
    if waiting and not any(outcome):
        form = f"<form method=post><button>{escape(words['button'])}</button></form>"
    lead = words["waiting"] if waiting else words["none"]
    later = f"<p>{escape(words['later'])}</p>{_list(alarms.later, language, zone)}" if alarms.later else ""
    body = (
        f"<p>{escape(name)}</p>{status}<p>{escape(lead)}</p>"
        f"{_list(waiting or alarms.told, language, zone)}{form}{later}"
        f"<p><a href='/'>{escape(words['page'])}</a></p>"
    )
    return _document(words["title"], body, language)


def refusal_page(reason: str, language: Language) -> str:
    """Return the page that gives the reason why a link is refused."""
    words = _WORDS[language]
    body = f"<p role=alert>{escape(reason)}</p><p><a href='/'>{escape(words['page'])}</a></p>"
    return _document(words["bad"], body, language)


def _list(events: Iterable[AlarmEvent], language: Language, zone: ZoneInfo) -> str:
    return f"<ul>{''.join(_item(event, language, zone) for event in events)}</ul>"


def _item(event: AlarmEvent, language: Language, zone: ZoneInfo) -> str:
    words = _WORDS[language]
    sentence = event.sentence_nl if language == "nl" else event.sentence_en
    severity = severity_label(event.severity, language)
    since = f"{words['since']} {_time(event.raised_time, zone)}" if event.raised_time is not None else ""
    by = f"; {words['by']} {event.acknowledged_by}" if event.acknowledged_by else ""
    return f"<li><b>{escape(severity)}</b> {escape(sentence)}<br><small>{escape(since + by)}</small></li>"


def _time(instant: Instant, zone: ZoneInfo) -> str:
    return to_datetime(instant).astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _document(title: str, body: str, language: Language) -> str:
    return (
        f"<!doctype html><html lang={language}><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><meta name=robots content=noindex>"
        f"<title>{escape(title)} – LiveTwin</title><style>{_STYLE}</style>"
        f"<main><h1>{escape(title)}</h1>{body}</main></html>"
    )
