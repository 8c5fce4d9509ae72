"""Texts that a telephone service reads aloud: words, digits and sentence marks, no symbols. Pure.

A service spells symbols out, or takes them for markup.
"""

from __future__ import annotations

import re

from twin.model.bilingual_text import Language

SPOKEN_CHARACTERS_MAX = 400
"""About half a minute."""

_WORDS: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("µg/m³", " micrograms per cubic metre"), ("ug/m3", " micrograms per cubic metre"),
        ("m³/s", " cubic metres per second"), ("m3/s", " cubic metres per second"),
        ("mm/h", " millimetres per hour"), ("km/h", " kilometres per hour"), ("m/h", " metres per hour"),
        ("m/s", " metres per second"), ("°C", " degrees"), ("%", " percent"), ("&", " and "), ("+", " plus "),
        ("=", " is "), ("≥", " at least "), ("≤", " at most "), ("→", " to "), ("×", " times"),
    ),
    "nl": (
        ("µg/m³", " microgram per kubieke meter"), ("ug/m3", " microgram per kubieke meter"),
        ("m³/s", " kubieke meter per seconde"), ("m3/s", " kubieke meter per seconde"),
        ("mm/h", " millimeter per uur"), ("km/h", " kilometer per uur"), ("m/h", " meter per uur"),
        ("m/s", " meter per seconde"), ("°C", " graden"), ("%", " procent"), ("&", " en "), ("+", " plus "),
        ("=", " is "), ("≥", " minstens "), ("≤", " hoogstens "), ("→", " naar "), ("×", " keer"),
    ),
}  # fmt: skip

_MINUS = re.compile(r"(?<![\w])[-−](?=\d)")
_METRES = re.compile(r"(?<=\d) m\b(?!/)")
_BREAK = re.compile(r"\s*[·–—;:()\[\]{}|/\\_]+\s*")
_SILENT = re.compile(r"[^\w\s.,?!:'-]", re.ASCII)
_LETTER = re.compile(r"\w")
_MARKS = re.compile(r"\s*([.,?!])[\s.,]*(?=\s|$)")
"""A mark with the marks after it, up to the last space."""


def spoken_text(text: str, language: Language) -> str:
    """Return a text to be read aloud; it needs no escaping in XML or JSON.

    >>> spoken_text("GROOT · Hoog water, Singel (klein), −0,25 m, 12 µg/m³", "nl")
    'GROOT, Hoog water, Singel, klein, min 0,25 meter, 12 microgram per kubieke meter'
    """
    for symbol, words in _WORDS[language]:
        text = text.replace(symbol, words)
    text = _METRES.sub(" metres" if language == "en" else " meter", text)
    text = _MINUS.sub("minus " if language == "en" else "min ", text)
    text = _BREAK.sub(_pause, text)
    kept = "".join(one if _LETTER.match(one) else _SILENT.sub(" ", one) for one in text)
    return _MARKS.sub(r"\1", " ".join(kept.split())).strip(" ,")[:SPOKEN_CHARACTERS_MAX]


def _pause(found: re.Match[str]) -> str:
    """Return a comma for a mark that divides; a time such as 10:23 and a date keep their parts together."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    if found[0] in {":", "/"} and before.isdigit() and after.isdigit():
        return ":"
    return ", "
