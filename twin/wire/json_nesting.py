"""Limit for the nesting of JSON from outside, checked on the text before it is decoded.

A decoder recurses as deeply as the interpreter allows, which differs between releases by thousands of levels.
Code that reads the document afterwards may have a lower limit. So we set our own.
"""

from __future__ import annotations

import re
from itertools import accumulate

from twin.errors import TwinError

JSON_LEVELS_MAX = 64
"""Greatest nesting of arrays and objects. Payloads of devices have at most 8 levels, a city's rules 12."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_STEPS = bytes.maketrans(b"[{]}", bytes([1, 1, 255, 255]))


class JsonNestingError(TwinError):
    """JSON text is nested deeper than `JSON_LEVELS_MAX`."""


def check_json_nesting(text: bytes) -> None:
    """Raise JsonNestingError when JSON text is nested deeper than `JSON_LEVELS_MAX`, wherever it ends or is
    wrong.

    >>> check_json_nesting(b'{"a": [1, 2]}')
    >>> check_json_nesting(b"[" * 100)
    Traceback (most recent call last):
    twin.wire.json_nesting.JsonNestingError: the JSON is nested 100 levels deep, at most 64 are read
    """
    # Nearly all JSON has fewer brackets than the limit.
    if text.count(b"[") + text.count(b"{") <= JSON_LEVELS_MAX:
        return
    levels = json_levels(text)
    if levels > JSON_LEVELS_MAX:
        raise JsonNestingError(f"the JSON is nested {levels} levels deep, at most {JSON_LEVELS_MAX} are read")


def json_levels(text: bytes) -> int:
    """Return the greatest number of open arrays and objects in JSON text.

    >>> json_levels(b'{"a": [], "]{[": [[1]]}'), json_levels(b"1")
    (3, 0)
    """
    steps = _STRING.sub(b"", text).translate(_STEPS, _NO_BRACKETS)
    # As signed bytes, 255 is -1. Without a call for each bracket it takes half the time of a hostile payload.
    return max(accumulate(memoryview(steps).cast("b"), initial=0))
