"""Raises the version of the model, and records changes in the model's audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from storage.database import Connection
from storage.model.model_rows import ChangeAction
from storage.queries import query
from twin.errors import ServiceError


async def raise_model_version(connection: Connection, city: str) -> int:
    """Give the model of a city its next version, in the open transaction, and return it.

    Raises ServiceError when the database does not serve this city.
    """
    row = await (await connection.execute(query("model/raise_model_version"), {"city": city})).fetchone()
    if row is None:
        raise ServiceError(
            f"the database does not serve the city {city!r}; run `livetwin apply` with its folder"
        )
    version: int = row[0]
    return version


async def record_model_change(
    connection: Connection,
    *,
    version: int,
    kind: str,
    key: str,
    action: ChangeAction,
    difference: Mapping[str, Sequence[object]],
) -> None:
    """Record a change of a row in the audit; `difference` has [before, after] of each changed value."""
    await connection.execute(
        query("model/record_model_change"),
        {
            "version": version,
            "kind": kind,
            "key": key,
            "action": action,
            "difference": msgspec.json.encode(difference).decode(),
        },
    )
