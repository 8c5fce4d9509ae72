"""What the columns of the tables can hold."""

from __future__ import annotations

DATASTREAM_ID_MAX = 2**31 - 1
"""Of an integer."""

INTEGER_MAX = 2**31 - 1
"""Of an integer that counts."""

FLAGS_MAX = 2**15 - 1
"""Of a smallint."""

COUNT_MAX = 2**63 - 2
"""Of a bigint; a range ends behind its last number."""


# What a text column can hold.


def without_nul(text: str) -> str:
    """Return a text without NUL: a topic or a detail may carry one, PostgreSQL cannot."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")
