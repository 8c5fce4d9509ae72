"""Where a live stream keeps its position, from which a later run goes on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol


class CursorStore(Protocol):
    """Keeps the cursor of one stream."""

    async def load(self) -> str | None:
        """Return the cursor that was saved last; None without one: the stream begins with a snapshot."""

    async def save(self, cursor: str) -> None:
        """Replace the cursor. The events up to it were taken by the consumer."""


class MemoryCursorStore:
    """Keeps the cursor for the life of the process."""

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor

    async def load(self) -> str | None:
        """Return the cursor."""
        return self.cursor

    async def save(self, cursor: str) -> None:
        """Replace the cursor."""
        self.cursor = cursor


class FileCursorStore:
    """Keeps the cursor in a file, which holds the old or the new one after any crash.

    One file is for one stream with one filter: of another filter, what happened before the cursor would be
    missing. It is for a consumer that keeps its own results, too: one that begins with nothing needs the
    snapshot.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    async def load(self) -> str | None:
        """Return the cursor of the file; None if there is no file. Raises OSError."""
        return await asyncio.to_thread(self._read)

    async def save(self, cursor: str) -> None:
        """Replace the file; raise OSError."""
        await asyncio.to_thread(self._replace, cursor)

    def _read(self) -> str | None:
        try:
            return self._path.read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None

    def _replace(self, cursor: str) -> None:
        temporary = self._path.with_name(f"{self._path.name}.new")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(cursor + "\n")
            file.flush()
            # Else the new name may point to an empty file after a power failure.
            os.fsync(file.fileno())
        temporary.replace(self._path)
