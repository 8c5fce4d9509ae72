"""The files of the page that the city folder has, as they are: design tokens, and the map's background."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from api.database import Database
from api.http.compression import compress
from storage.model.model_store import read_city_file

FILES_KEPT_MAX = 4
"""In memory, each with its compressed copy: those of the present city, and of the one before it."""


class SiteFile(NamedTuple):
    """The content of a file, and the same compressed with gzip."""

    content: bytes
    compressed: bytes


class SiteFiles:
    """Reads files from the database once; then they are there without it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[str, SiteFile] = {}

    async def read(self, sha256: str) -> SiteFile | None:
        """Return a file by its digest; None where the city has none. Raises a problem without a database."""
        kept = self._kept.get(sha256)
        if kept is not None:
            return kept
        async with self._database.connection() as connection:
            content = await read_city_file(connection, sha256)
        if content is None:
            return None
        file = SiteFile(content, await asyncio.to_thread(compress, content))
        while len(self._kept) >= FILES_KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[sha256] = file
        return file
