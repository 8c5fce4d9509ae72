"""The IANA time zones that there are."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


@cache
def timezones() -> frozenset[str]:
    """Return their names, looked up once: the library walks through a folder of 600 files each time."""
    return frozenset(available_timezones())
