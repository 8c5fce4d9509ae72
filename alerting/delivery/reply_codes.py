"""Codes by which a contact acknowledges what one message told, by a reply to it.

A code is computed from the id of the message and the key of the links, so both the sender of messages and the
api know it, and no list of codes has to be kept. It is short enough to be typed, and therefore it counts only
together with the address of the contact, and only a few attempts a minute are granted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

from twin.instant import HOUR, Duration

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Without 0, O, 1, I and L, which people confuse."""

CODE_CHARACTERS = 6
"""31 ^ 6 are 890 million codes."""

CODE_VALID: Duration = 72 * HOUR
"""From the last attempt to send the message on."""

CODES_TRIED_MAX = 3
"""The most texts of a reply that are tried as codes."""

_DIGEST_BYTES = 5  # as in `acknowledge_links`
_WORD = re.compile(rf"[{ALPHABET}]+")
_NUMBER = re.compile(r"[+ ().\-/0-9]+", re.ASCII)
_NO_DIGITS = re.compile(r"\D")
_NUMBER_DIGITS = range(7, 16)  # E.164 has at most 15


def reply_code(key: bytes, notification: str) -> str:
    """Return the code of a message.

    >>> reply_code(b"key", "high-water~alkmaar~1~0~0~anna~sms")
    '4RTCDA'
    """
    digest = hmac.digest(key, b"reply\0" + notification.encode(), hashlib.sha256)
    number = int.from_bytes(digest)
    characters = []
    for _ in range(CODE_CHARACTERS):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)


def codes_in(text: str) -> list[str]:
    """Return what may be a code in a reply, in any case, with spaces or without.

    >>> codes_in("ok: k7m4qx"), codes_in("K7M 4QX"), codes_in("yes")
    (['K7M4QX'], ['K7M4QX'], [])
    """
    words = _WORD.findall(text.upper())
    found = [word for word in words if len(word) == CODE_CHARACTERS]
    joined = "".join(words)
    if not found and len(joined) == CODE_CHARACTERS:
        found.append(joined)
    return list(dict.fromkeys(found))[:CODES_TRIED_MAX]


def same_number(one: str, other: str) -> bool:
    """Whether two addresses are the same number in international form, however it is written.

    Names and short numbers are the same as nothing.

    >>> same_number("+31 6 1234 5678", "0031612345678"), same_number("31612345678", "+31612345678")
    (True, True)
    >>> same_number("+31612345678", "+31612345679"), same_number("team-1", "1")
    (False, False)
    """
    number = _number(one)
    return bool(number) and hmac.compare_digest(number, _number(other))


def _number(text: str) -> str:
    """Return the digits of a number in international form; empty if a text is something else."""
    digits = _NO_DIGITS.sub("", text).removeprefix("00") if _NUMBER.fullmatch(text.strip()) else ""
    return digits if len(digits) in _NUMBER_DIGITS else ""


def encode_occurrences(occurrences: Iterable[bytes]) -> str:
    """Return digests of occurrences as a text, as `NotificationEvent.answerable` has them."""
    return base64.b64encode(b"".join(sorted(occurrences))).decode()


def decode_occurrences(text: str) -> frozenset[bytes]:
    """Return the digests in a text of `encode_occurrences`.

    >>> decode_occurrences(encode_occurrences([b"12345", b"abcde"])) == {b"12345", b"abcde"}
    True
    """
    data = base64.b64decode(text)
    return frozenset(data[start : start + _DIGEST_BYTES] for start in range(0, len(data), _DIGEST_BYTES))
