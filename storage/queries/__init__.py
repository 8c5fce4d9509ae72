"""The SQL statements, one in each file: its first line says what it does, the second which index it uses.

`query("history/list_buckets")` returns the text of `history/list_buckets.sql`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from psycopg import sql


@cache
def query(name: str, *, table: str = "", rows: str = "") -> bytes:
    """Return the statement in the file of this name.

    The identifier `table` replaces `{table}` in it; the text of the file named `rows` replaces `{rows}`.
    Raises FileNotFoundError for a name without a file.
    """
    if not table and not rows:
        return _text(name).encode()
    parts = {"table": sql.Identifier(table), "rows": sql.SQL(_text(rows) if rows else "")}
    return sql.SQL(_text(name)).format(**parts).as_bytes()


def _text(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
