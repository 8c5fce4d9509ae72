"""Texts for SMS messages of 160 characters, which GSM 03.38 allows only in its own alphabet. Pure.

One other character makes the message UCS-2, with room for 70 characters. The rest would be sent as further
messages or be lost.
"""

from __future__ import annotations

import unicodedata

SHORT_CHARACTERS_MAX = 160
"""The length of an SMS message of one part."""

ALPHABET = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The alphabet of GSM 03.38, without the extension, whose characters take the room of two."""

_INSTEAD = {
    "·": "-", "–": "-", "—": "-", "−": "-", "→": ">", "€": "EUR", "°": "", "µ": "u", "μ": "u",
    "‘": "'", "’": "'", "“": '"', "”": '"', "[": "(", "]": ")", "{": "(", "}": ")",
    "~": "-", "|": "/", "\\": "/",
}  # fmt: skip


def short_text(text: str) -> str:
    """Return a text in the alphabet of SMS: accents are removed, characters without a likeness become `?`.

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
