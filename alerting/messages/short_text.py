"""Text for messages of 160 characters: GSM 03.38 has room for so many only in its own alphabet. Pure.

One character from outside makes it UCS-2, of which 70 fit; the rest would come as further messages, or not.
"""

from __future__ import annotations

import unicodedata

SHORT_CHARACTERS_MAX = 160
"""A text message of one part."""

ALPHABET = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Of GSM 03.38, without the extension of which each character takes the room of two."""

_INSTEAD = {
    "·": "-", "–": "-", "—": "-", "−": "-", "→": ">", "€": "EUR", "°": "", "µ": "u", "μ": "u",
    "‘": "'", "’": "'", "“": '"', "”": '"', "[": "(", "]": ")", "{": "(", "}": ")",
    "~": "-", "|": "/", "\\": "/",
}  # fmt: skip


def short_text(text: str) -> str:
    """Return a text in the alphabet of text messages: accents go, what has no likeness becomes `?`.

    >>> short_text("GROOT · Hoog water, Coëvorden, −0,25 µg/m³")
    'GROOT - Hoog water, Coevorden, -0,25 ug/m3'
    """
    return "".join(map(_known, text))


def _known(character: str) -> str:
    if character in ALPHABET:
        return character
    if character in _INSTEAD:
        return _INSTEAD[character]
    plain = "".join(one for one in unicodedata.normalize("NFKD", character) if one in ALPHABET)
    return plain or ("" if unicodedata.combining(character) else "?")
