"""The SQL statements, one a file: its first line says what it does, the second which index serves it.

`query("history/list_buckets")` is the text of `history/list_buckets.sql`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def query(name: str) -> bytes:
    """Return a statement by the name of its file; raise FileNotFoundError when there is none."""
    return resources.files(__name__).joinpath(f"{name}.sql").read_bytes()
