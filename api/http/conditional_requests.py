"""Entity tags, and the answer 304 to who has the present one (RFC 9110, 8.8.3 and 13.1.2)."""

from __future__ import annotations

import re
from hashlib import blake2b

DIGEST_BYTES = 12

_TAG = re.compile(r'\s*(?:W/)?("[^"\x00-\x20\x7f]*")\s*')


def entity_tag(body: bytes) -> str:
    """Return the entity tag of a body before its compression.

    It is weak: the same for the body as it is and compressed. Another representation, or what another role
    sees, is another body, and has another tag.
    """
    return f'W/"{blake2b(body, digest_size=DIGEST_BYTES).hexdigest()}"'


def is_known(tag: str, if_none_match: str) -> bool:
    """Whether `If-None-Match` names a tag; a malformed value names none.

    >>> [is_known('W/"a"', text) for text in ('"b", W/"a"', '"a"', "*", "a", "")]
    [True, True, True, False, False]
    """
    if if_none_match.strip() == "*":
        return True
    opaque = tag.removeprefix("W/")
    # A tag may have a comma in it.
    position = 0
    while match := _TAG.match(if_none_match, position):
        if match[1] == opaque:
            return True
        position = match.end()
        if if_none_match[position : position + 1] != ",":
            break
        position += 1
    return False
