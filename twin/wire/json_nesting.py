"""How deep JSON of others is nested: told from its text, before anything is decoded.

A decoder goes as deep as its interpreter lets it, which differs between releases by thousands of levels, and
whatever walks the document afterwards may be let less deep. So the bound is our own.
"""

from __future__ import annotations

import re
from itertools import accumulate

from twin.errors import TwinError

LEVELS_MAX = 64
"""Of arrays and objects within each other. Payloads of devices have at most eight, a city's rules a dozen."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))


class NestingError(TwinError):
    """JSON text is nested deeper than `LEVELS_MAX`."""


def check_levels(text: bytes) -> None:
    """Raise NestingError when JSON text is nested deeper than `LEVELS_MAX`, wherever it ends or is wrong.

    >>> check_levels(b'{"a": [1, 2]}')
    >>> check_levels(b"[" * 100)
    Traceback (most recent call last):
    twin.wire.json_nesting.NestingError: the JSON is nested 100 levels deep, at most 64 are read
    """
    # Nearly all JSON has fewer brackets than that, wherever they stand.
    if text.count(b"[") + text.count(b"{") <= LEVELS_MAX:
        return
    found = levels(text)
    if found > LEVELS_MAX:
        raise NestingError(f"the JSON is nested {found} levels deep, at most {LEVELS_MAX} are read")


def levels(text: bytes) -> int:
    """Return how many arrays and objects are open at the deepest place of JSON text.

    >>> levels(b'{"a": [], "]{[": [[1]]}'), levels(b"1")
    (3, 0)
    """
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    return max(accumulate((1 if one in b"[{" else -1 for one in brackets), initial=0))
