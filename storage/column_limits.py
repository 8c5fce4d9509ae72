"""What the columns of the tables can hold."""

from __future__ import annotations

DATASTREAM_ID_MAX = 2**31 - 1
"""Of an integer."""

FLAGS_MAX = 2**15 - 1
"""Of a smallint."""

COUNT_MAX = 2**63 - 2
"""Of a bigint; a range ends behind its last number."""
