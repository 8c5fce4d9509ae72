"""Which characters the names and titles of a city may not have, since they end up in headers, logs and XML.

A line feed in the title of a rule would begin another header of a mail or another line of a log. The same is
refused that XML cannot hold, and what changes the order in which a line is shown.
"""

from __future__ import annotations

import re

LINE_BREAKS = "\t\n\r"
"""Control characters that texts of several lines may have, such as comments."""

_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1, which terminals obey
    "\u2028\u2029"  # line and paragraph separator
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates of the direction of writing
    "\ud800-\udfff\ufffe\uffff]"  # no characters: neither UTF-8 nor XML has them
)


def control_character(text: str, allowed: str = "") -> str:
    r"""Return the first control character of a text by its code point; empty if it has none.

    >>> control_character("High\nwater"), control_character("High\nwater", LINE_BREAKS)
    ('U+000A', '')
    """
    found = next((one for one in _CONTROL.findall(text) if one not in allowed), None)
    return f"U+{ord(found):04X}" if found is not None else ""


def check_one_line(text: str) -> str:
    """Return a text without control characters. Raises ValueError with the first one."""
    if found := control_character(text):
        raise ValueError(f"expected one line without control characters, not {found}")
    return text


def check_lines(text: str) -> str:
    """Return a text without control characters but `LINE_BREAKS`. Raises ValueError with the first one."""
    if found := control_character(text, LINE_BREAKS):
        raise ValueError(f"expected no control characters but tabs and line breaks, not {found}")
    return text


def one_line(text: str) -> str:
    r"""Return a text in one line: with control characters, each run of them and of white space is a space.

    >>> one_line("High\r\n water\x1b")
    'High water'
    """
    return " ".join(_CONTROL.sub(" ", text).split()) if _CONTROL.search(text) else text


def escape_controls(text: str) -> str:
    r"""Return a text with its control characters, except tabs, as escapes.

    >>> print(escape_controls("High\nwater"))
    High\nwater
    """
    return _CONTROL.sub(lambda found: found[0] if found[0] == "\t" else repr(found[0])[1:-1], text)
