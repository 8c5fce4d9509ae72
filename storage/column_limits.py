"""The limits of the values in columns of the tables."""

from __future__ import annotations

DATASTREAM_ID_MAX = 2**31 - 1
"""The greatest datastream id: integer."""

INTEGER_MAX = 2**31 - 1
"""The greatest count in an integer column."""

FLAGS_MAX = 2**15 - 1
"""The greatest value of flags: smallint."""

COUNT_MAX = 2**63 - 2
"""The greatest number in a bigint column, less one: a range ends after its last number."""


def without_nul(text: str) -> str:
    """Return a text with NUL replaced: a topic or a detail may contain it, a text column cannot."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")
