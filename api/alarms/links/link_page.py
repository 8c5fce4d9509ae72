"""The page behind an acknowledgement link, for a browser without a script: the worst alarm and one button.

It is for a phone at night on a slow line: one document of some kilobytes, with the button within reach of the
thumb however many alarms there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from zoneinfo import ZoneInfo

from alerting.delivery.push_channel import incident_page_path
from alerting.messages.phrases import severity_label
from api.access.rights import Rights
from api.alarms.links.link_document import alarm_page_path, answer_text, value_now
from api.alarms.links.linked_incident import (
    LINKED_ALARMS_MAX,
    AcknowledgementOutcome,
    LinkedIncident,
)
from api.alarms.visibility import may_see_value, sentence_of, title_of
from api.live.live_view import LiveView
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant, parse_instant, to_datetime
from twin.model.bilingual_text import Language
from twin.model.city_model import CityModel
from twin.model.duty import Contact
from twin.model.localization import format_quantity

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

_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Acknowledge",
        "button": "Acknowledge: I am handling this",
        "waiting": "{count} alarms wait for an acknowledgement, the worst first:",
        "waiting one": "This alarm waits for an acknowledgement:",
        "later": "These came after your message or have become worse; this link does not acknowledge them:",
        "none": "No alarm waits for an acknowledgement any more.",
        "omitted": "… and {count} more: see the page.",
        "do": "What to do:",
        "now": "now",
        "limit": "limit",
        "measured": "measured",
        "by": "acknowledged by",
        "since": "since",
        "until": "until",
        "notified": "Notified",
        "next": "Next, without an acknowledgement: {contacts}, {time}",
        "page": "To the incident on the page",
        "alarm": "To the alarm",
        "front": "To the page",
        "bad": "This link cannot be used",
    },
    "nl": {
        "title": "Bevestigen",
        "button": "Bevestigen: ik pak dit op",
        "waiting": "{count} alarmen wachten op een bevestiging, het ergste eerst:",
        "waiting one": "Dit alarm wacht op een bevestiging:",
        "later": "Deze kwamen na uw bericht of zijn erger geworden; deze link bevestigt ze niet:",
        "none": "Er wacht geen alarm meer op een bevestiging.",
        "omitted": "… en nog {count}: zie de pagina.",
        "do": "Wat te doen:",
        "now": "nu",
        "limit": "grens",
        "measured": "gemeten",
        "by": "bevestigd door",
        "since": "sinds",
        "until": "tot",
        "notified": "Bericht gekregen",
        "next": "Daarna, zonder bevestiging: {contacts}, {time}",
        "page": "Naar het incident op de pagina",
        "alarm": "Naar het alarm",
        "front": "Naar de pagina",
        "bad": "Deze link kan niet worden gebruikt",
    },
}

# The button stays at the lower edge of the screen, unless the screen is so low that it would cover the text.
_STYLE = (
    "body{font:1.05rem/1.45 system-ui,sans-serif;max-width:38rem;margin:0 auto;padding:.8rem 1rem 6rem;"
    "color:#16232e;background:#f6f8fa}h1{font-size:1.3rem;margin:.2rem 0}ul{list-style:none;padding:0}"
    "li{margin:.7rem 0;padding-left:.7rem;border-left:.3rem solid #8a9aa6}li p{margin:.2rem 0}"
    "li.s3{border-color:#b45309}li.s4{border-color:#b91c1c}small{color:#4a5b68}a{color:#0b5cad}"
    "a{display:inline-block;min-height:1.75rem}"
    "form{position:fixed;left:0;right:0;bottom:0;padding:.7rem 1rem;background:#f6f8fa;"
    "border-top:1px solid #8a9aa6}"
    "button{font:inherit;font-weight:600;display:block;max-width:36rem;margin:0 auto;min-height:3.5rem;"
    "padding:.8rem 1rem;border:0;border-radius:.4rem;background:#0b5cad;color:#fff;cursor:pointer;width:100%}"
    "button:focus-visible{outline:3px solid #f2a900}@media(max-height:22rem){form{position:static}}"
    "@media(prefers-color-scheme:dark){body,form{color:#e4ebf0;background:#10181f}small{color:#a9b8c3}"
    "a{color:#7db8f5}li.s3{border-color:#f59e0b}li.s4{border-color:#f87171}}"
)


class LinkPage:
    """Renders the page of a link for its contact, in the language of the contact and the time of the city."""

    def __init__(self, contact: Contact, model: CityModel, view: LiveView, rights: Rights) -> None:
        self._contact = contact
        self._model = model
        self._view = view
        self._rights = rights
        self._language: Language = contact.language
        self._words = _WORDS[contact.language]
        self._zone = ZoneInfo(model.city.timezone)

    def render(self, linked: LinkedIncident, outcome: AcknowledgementOutcome | None) -> str:
        """Return the page; `outcome` is that of pressing the button, None before."""
        words, alarms = self._words, linked.alarms
        waiting = alarms.waiting
        shown = (waiting or alarms.told)[:LINKED_ALARMS_MAX]
        later = alarms.later[: LINKED_ALARMS_MAX - len(shown)]
        status = ""
        if outcome is not None and outcome != "over":
            text = answer_text(outcome, alarms, self._contact, self._model)
            status = f"<p role=status><b>{escape(text)}</b></p>"
        form = ""
        if waiting and outcome is None:
            form = f"<form method=post><button>{escape(words['button'])}</button></form>"
        lead = words["waiting one" if len(waiting) == 1 else "waiting" if waiting else "none"]
        body = (
            f"<p><small>{escape(self._contact.name)}</small></p>{status}"
            f"<p>{escape(lead.format(count=len(waiting)))}</p>"
            f"{self._list(shown)}{form}"
            f"{self._omitted(len(waiting or alarms.told) - len(shown))}"
        )
        if alarms.later:
            body += f"<p>{escape(words['later'])}</p>{self._list(later)}"
            body += self._omitted(len(alarms.later) - len(later))
        body += self._notified(linked)
        id = linked.incident.incident if linked.incident is not None else ""
        link_text = words["page" if id else "front"]
        body += f"<p><a href='{escape(incident_page_path(id))}'>{escape(link_text)}</a></p>"
        return _document(words["title"], body, self._language)

    def _list(self, events: Iterable[AlarmEvent]) -> str:
        items = "".join(map(self._item, events))
        return f"<ul>{items}</ul>" if items else ""

    def _omitted(self, count: int) -> str:
        return f"<p>{escape(self._words['omitted'].format(count=count))}</p>" if count else ""

    def _item(self, event: AlarmEvent) -> str:
        words, language = self._words, self._language
        sentence = sentence_of(self._rights, event, self._model).in_language(language)
        title = title_of(event, self._model).in_language(language)
        severity = severity_label(event.severity, language)
        rule = self._model.rules.get(event.rule)
        guidance = rule.guidance.in_language(language) if rule is not None and rule.guidance else ""
        facts = [*self._values(event)]
        if event.raised_time is not None:
            facts.append(f"{words['since']} {self._time(event.raised_time)}")
        if event.returned_time is not None:
            facts.append(f"{words['until']} {self._time(event.returned_time)}")
        if event.acknowledged_by:
            facts.append(f"{words['by']} {event.acknowledged_by}")
        todo = f"<p><b>{escape(words['do'])}</b> {escape(guidance)}</p>" if guidance else ""
        link = f"<a href='{escape(alarm_page_path(event.alarm))}'>{escape(words['alarm'])}</a>"
        return (
            f"<li class=s{int(event.severity)}><p><b>{escape(severity)} · {escape(title)}</b></p>"
            f"<p>{escape(sentence)}</p>{todo}<small>{escape('; '.join(facts))}</small> {link}</li>"
        )

    def _values(self, event: AlarmEvent) -> Iterable[str]:
        """Yield the present values of an alarm beside their limits."""
        words = self._words
        for operand in event.operands:
            if not may_see_value(self._rights, operand, self._model):
                continue
            now = value_now(operand, self._view)
            if now is None or now.value is None or operand.threshold is None:
                continue
            value = format_quantity(now.value, operand.unit, self._language)
            limit = format_quantity(operand.threshold, operand.unit, self._language)
            measured = f"{words['measured']} {self._time(parse_instant(now.time))}"
            yield f"{words['now']} {value}, {measured}; {words['limit']} {limit}"

    def _notified(self, linked: LinkedIncident) -> str:
        words = self._words
        names = {one.id: one.name for one in self._model.duty.contacts}
        lines = [
            f"{names.get(one.contact, one.contact)} ({one.channel}), {self._time(one.time)}"
            for one in linked.notifications or ()
            if one.outcome == "sent"
        ]
        text = ""
        if lines:
            items = "".join(f"<li>{escape(line)}</li>" for line in lines)
            text = f"<h2><small>{escape(words['notified'])}</small></h2><ul>{items}</ul>"
        if linked.next is not None:
            contacts = ", ".join(names.get(one, one) for one in linked.next.contacts)
            line = words["next"].format(contacts=contacts, time=self._time(linked.next.time))
            text += f"<p><small>{escape(line)}</small></p>"
        return text

    def _time(self, instant: Instant) -> str:
        return to_datetime(instant).astimezone(self._zone).strftime("%Y-%m-%d %H:%M")


def refusal_page(reason: str, language: Language) -> str:
    """Return the page that gives the reason why a link is refused."""
    words = _WORDS[language]
    body = f"<p role=alert>{escape(reason)}</p><p><a href='/'>{escape(words['front'])}</a></p>"
    return _document(words["bad"], body, language)


def _document(title: str, body: str, language: Language) -> str:
    return (
        f"<!doctype html><html lang={language}><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><meta name=robots content=noindex>"
        f"<title>{escape(title)} – LiveTwin</title><style>{_STYLE}</style>"
        f"<main><h1>{escape(title)}</h1>{body}</main></html>"
    )
