"""The phrases of messages in both languages, and times and durations as people write them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from twin.instant import DAY, HOUR, MINUTE, Duration, Instant, to_datetime
from twin.model.bilingual_text import Language
from twin.model.city_model import CityModel

_SEVERITY: dict[Language, tuple[str, ...]] = {
    "en": ("cleared", "warning", "minor", "major", "critical"),
    "nl": ("hersteld", "waarschuwing", "klein", "groot", "kritiek"),
}

_PHRASES: dict[Language, dict[str, str]] = {
    "en": {
        "new": "New: ",
        "worse": "Worse ({was} → {now}): ",
        "again": "Again: ",
        "reminder": "Still: ",
        "repeated": "Perhaps sent before: ",
        "aside": "SET ASIDE",
        "since": "since {time}",
        "lasting": " ({duration})",
        "over": "over since {time}, after {duration}",
        "set aside": "set aside since {time}, after {duration}",
        "alarms": "{count} alarms",
        "flapping": "comes and goes: has come back {count}×",
        "and more": " and {count} more",
        "more alarm": "and 1 more alarm",
        "more alarms": "and {count} more alarms",
        "above": "at or above {limit}",
        "below": "at or below {limit}",
        "heading new": "New:",
        "heading earlier": "Earlier:",
        "shelved": "shelved",
        "suppressed-by-design": "suppressed",
        "out-of-service": "out of service",
        "withdrawn": "not monitored any more",
        "rule deleted": "rule deleted",
        "rule changed": "rule changed",
        "rule fault": "{reason}, it cannot be evaluated any more",
        "retracted": "data corrected",
        "by": "{reason} by {actor}",
        "area": "Area: {place}",
        "remark": "Comment by {actor}: {text}",
        "answer": "Acknowledge",
        "reply": "Reply {code} to acknowledge.",
        "digest": "{count} messages",
        "digest first": "first",
        "digest omitted": "… and {count} more messages, without room here: see the page",
        "hand-over head": "ON CALL",
        "hand-over": "{team}: you are on call",
        "hand-over until": " until {time}",
        "hand-over before": "before you: {contact}",
        "hand-over before nobody": "before you: nobody",
        "hand-over nothing open": "No incident is open.",
        "hand-over open one": "1 incident is open",
        "hand-over open": "{count} incidents are open",
        "hand-over waiting": "{open}, {count} not acknowledged:",
        "hand-over omitted": "… and {count} more incidents, without room here: see the page",
        "not acknowledged": "not acknowledged",
        "acknowledged": "acknowledged",
        "assigned": "assigned to {contact}",
        "snoozed": "no messages until {time}",
    },
    "nl": {
        "new": "Nieuw: ",
        "worse": "Erger ({was} → {now}): ",
        "again": "Opnieuw: ",
        "reminder": "Nog steeds: ",
        "repeated": "Misschien al gemeld: ",
        "aside": "OPZIJGEZET",
        "since": "sinds {time}",
        "lasting": " ({duration})",
        "over": "voorbij sinds {time}, na {duration}",
        "set aside": "opzijgezet sinds {time}, na {duration}",
        "alarms": "{count} alarmen",
        "flapping": "komt en gaat: {count}× teruggekomen",
        "and more": " en nog {count}",
        "more alarm": "en nog 1 alarm",
        "more alarms": "en nog {count} alarmen",
        "above": "op of boven {limit}",
        "below": "op of onder {limit}",
        "heading new": "Nieuw:",
        "heading earlier": "Eerder:",
        "shelved": "uitgesteld",
        "suppressed-by-design": "onderdrukt",
        "out-of-service": "buiten dienst",
        "withdrawn": "niet meer bewaakt",
        "rule deleted": "regel verwijderd",
        "rule changed": "regel gewijzigd",
        "rule fault": "{reason}, hij is niet meer te berekenen",
        "retracted": "gegevens gecorrigeerd",
        "by": "{reason} door {actor}",
        "area": "Gebied: {place}",
        "remark": "Opmerking van {actor}: {text}",
        "answer": "Bevestigen",
        "reply": "Antwoord {code} om te bevestigen.",
        "digest": "{count} meldingen",
        "digest first": "eerst",
        "digest omitted": "… en nog {count} meldingen, waarvoor hier geen plaats is: zie de pagina",
        "hand-over head": "DIENST",
        "hand-over": "{team}: u hebt dienst",
        "hand-over until": " tot {time}",
        "hand-over before": "voor u: {contact}",
        "hand-over before nobody": "voor u: niemand",
        "hand-over nothing open": "Er staat geen incident open.",
        "hand-over open one": "1 incident staat open",
        "hand-over open": "{count} incidenten staan open",
        "hand-over waiting": "{open}, {count} niet bevestigd:",
        "hand-over omitted": "… en nog {count} incidenten, waarvoor hier geen plaats is: zie de pagina",
        "not acknowledged": "niet bevestigd",
        "acknowledged": "bevestigd",
        "assigned": "toegewezen aan {contact}",
        "snoozed": "geen meldingen tot {time}",
    },
}

_UNITS: dict[Language, tuple[tuple[Duration, str], ...]] = {
    "en": ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")),
    "nl": ((DAY, "d"), (HOUR, "u"), (MINUTE, "min")),
}


def phrases_of(language: Language) -> Mapping[str, str]:
    """Return the phrases of a language, with named placeholders."""
    return MappingProxyType(_PHRASES[language])


def severity_label(severity: int, language: Language) -> str:
    """Return the name of a severity.

    >>> severity_label(3, "nl")
    'groot'
    """
    return _SEVERITY[language][severity]


def duration_text(duration: Duration, language: Language) -> str:
    """Return a duration in its two largest units, at least one minute.

    >>> [duration_text(one * MINUTE, "nl") for one in (0, 62, 120, 1500, 2885)]
    ['1 min', '1 u 2 min', '2 u', '1 d 1 u', '2 d']
    """
    left = max(duration, MINUTE)
    counts = []
    for size, word in _UNITS[language]:
        counts.append((left // size, word))
        left %= size
    first = next(number for number, (count, _) in enumerate(counts) if count)
    return " ".join(f"{count} {word}" for count, word in counts[first : first + 2] if count)


def time_text(time: Instant, model: CityModel) -> str:
    """Return a time in the time zone of the city, to the minute."""
    return f"{to_datetime(time).astimezone(ZoneInfo(model.city.timezone)):%d-%m-%Y %H:%M}"
