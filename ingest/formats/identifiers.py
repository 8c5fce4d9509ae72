"""Identifiers that lost their name: what is too long to be a number, a unit, a time or a word.

A meter's id has 16 letters and digits and more. Where the name before it was cut off, garbled on the way
or is one that no decoder knows, its length still gives it away.
"""

from __future__ import annotations

IDENTIFIER_CHARACTERS_MIN = 14
"""A time in a telegram has 13; nothing else that is read has as many without a break."""

IDENTIFIER_PATTERN = rb"[0-9A-Za-z]{%d,}+" % IDENTIFIER_CHARACTERS_MIN
"""As a regular expression, which takes ten times as long to say that there is none."""

_KINDS = bytes(ord("A") if one < 128 and chr(one).isalnum() else 0 for one in range(256))
_RUN = b"A" * IDENTIFIER_CHARACTERS_MIN


def contains_identifier(data: bytes) -> bool:
    """Whether there are so many letters and digits in a row.

    >>> contains_identifier(b"(261025023000S)"), contains_identifier(b"4730303339303031")
    (False, True)
    """
    return _RUN in data.translate(_KINDS)
