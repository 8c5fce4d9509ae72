"""Values of headers (RFC 9110): a media type, and lists whose members have weights (12.4.2). Pure.

`Accept` and `Accept-Encoding` are such lists; both are read here, in linear time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Each part begins with a character that the one before cannot have: a failing match takes linear time.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = rf';\s*(?:({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*")\s*)?'
_MEMBER = re.compile(rf"\s*({_WORD}(?:/{_WORD})?)\s*((?:{_PARAMETER})*)")
_PARAMETERS = re.compile(_PARAMETER)
_MEMBERS = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^,"])+')
# `.2` is what Java sends.
_QUALITY = re.compile(r"0?\.\d{1,3}|[01](?:\.\d{0,3})?")


class WeightedMember(NamedTuple):
    """A member of a list."""

    name: str  #: lower case
    parameters: frozenset[tuple[str, str]]  #: names in lower case
    quality: float  #: 0 excludes


def parse_weighted(text: str) -> list[WeightedMember]:
    """Return the members of a list; a malformed one is left out.

    >>> parse_weighted("text/html;q=0.5, *;q=0, gzip;q=2, application/json; charset=utf-8")[1]
    WeightedMember(name='*', parameters=frozenset(), quality=0.0)
    """
    return [found for member in _MEMBERS.findall(text) if (found := _weighted(member)) is not None]


def _weighted(member: str) -> WeightedMember | None:
    match = _MEMBER.fullmatch(member)
    if match is None:
        return None
    quality, parameters = 1.0, set()
    for name, text in _PARAMETERS.findall(match[2]):
        value = text.strip('"')
        if name.lower() == "q":
            if _QUALITY.fullmatch(value) is None or float(value) > 1:
                return None
            quality = float(value)
            break  # What follows the weight was once an extension of Accept, and is not of the type.
        if name:
            parameters.add((name.lower(), value))
    return WeightedMember(match[1].lower(), frozenset(parameters), quality)


def bare_media_type(content_type: str) -> str:
    """Return the media type in a Content-Type, without its parameters.

    >>> bare_media_type("Application/JSON; charset=utf-8")
    'application/json'
    """
    return content_type.partition(";")[0].strip().lower()
