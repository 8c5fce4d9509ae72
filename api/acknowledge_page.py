"""The page behind a link that acknowledges: what is the matter, and one button. Plain HTML, no script.

Mail scanners follow every link they see: looking at the page changes nothing, only the button does.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple
from zoneinfo import ZoneInfo

from alerting.messages.phrases import severity_label
from api.alarms.incident_acknowledgement import awaits_acknowledgement
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant, to_datetime
from twin.model.localization import Language

# Only this page may send a form, and only to where it came from.
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
        "button": "I know of it, I am on it",
        "waiting": "These alarms wait for somebody to say that they know:",
        "none": "Nothing waits for an acknowledgement any more.",
        "done": "Thank you. It is written down that you know of it.",
        "open": "The command is on its way; look again in a moment.",
        "used": "This link was used for this occurrence already; acknowledge it on the page.",
        "by": "acknowledged by",
        "since": "since",
        "page": "To the page",
        "bad": "This link cannot be used",
    },
    "nl": {
        "title": "Bevestigen",
        "button": "Ik weet ervan, ik ben ermee bezig",
        "waiting": "Deze alarmen wachten tot iemand laat weten ervan te weten:",
        "none": "Er wacht niets meer op een bevestiging.",
        "done": "Dank u. Er staat nu dat u ervan weet.",
        "open": "De opdracht is onderweg; kijk zo nog eens.",
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


class LinkOutcome(NamedTuple):
    """What became of pressing the button; all False before."""

    acknowledged: bool = False
    unanswered: bool = False
    already_used: bool = False


def incident_page(
    alarms: Sequence[AlarmEvent], name: str, language: Language, zone: ZoneInfo, told: LinkOutcome
) -> str:
    """Return the page of an incident's alarms, for a contact; `zone` is that of the times it shows."""
    words = _WORDS[language]
    waiting = [one for one in alarms if awaits_acknowledgement(one)]
    said = "".join(
        f"<p role=status>{escape(words[word])}</p>"
        for word, holds in (
            ("done", told.acknowledged),
            ("open", told.unanswered),
            ("used", told.already_used),
        )
        if holds
    )
    ask = bool(waiting) and not (told.acknowledged or told.unanswered or told.already_used)
    form = f"<form method=post><button>{escape(words['button'])}</button></form>" if ask else ""
    lead = words["waiting"] if waiting else words["none"]
    items = "".join(_item(one, language, zone) for one in waiting or alarms)
    body = (
        f"<p>{escape(name)}</p>{said}<p>{escape(lead)}</p><ul>{items}</ul>{form}"
        f"<p><a href='/'>{escape(words['page'])}</a></p>"
    )
    return _document(words["title"], body, language)


def refusal_page(reason: str, language: Language) -> str:
    """Return the page that says why a link is of no use."""
    words = _WORDS[language]
    body = f"<p role=alert>{escape(reason)}</p><p><a href='/'>{escape(words['page'])}</a></p>"
    return _document(words["bad"], body, language)


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
