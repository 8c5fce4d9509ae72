"""Gives a role the city model: from the database, or from a copy on disk while that is unavailable."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from socket import gethostname

import psycopg

from runtime.cancellation import raise_if_cancelled
from storage.database import DATABASE_UNAVAILABLE, Connection, connect
from storage.model.model_document import decode_model, encode_model
from storage.model.model_store import find_city_row, load_model
from twin.errors import MessageError, ServiceError
from twin.model.city_model import CityModel

log = logging.getLogger(__name__)

MODEL_POLL_S = 1.0


def write_model_copy(path: Path, model: CityModel) -> None:
    """Write a model as JSON; a reader sees the old file or the new one, never a part.

    Only its owner may read it, since it holds the addresses of contacts. Several processes, also in
    containers, may share the folder: each writes its own file and renames it. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{gethostname()}-{os.getpid()}.draft")
    draft.unlink(missing_ok=True)  # of a process that was killed: an existing file would keep its mode
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(encode_model(model))
    draft.replace(path)


def read_model_copy(path: Path) -> CityModel | None:
    """Return the model of a copy; None when there is none, or when it has another layout. Raises OSError."""
    try:
        return decode_model(path.read_bytes())
    except (FileNotFoundError, MessageError):
        return None


class ModelSource:
    """Loads the city model and then each newer version, also while the database is unavailable.

    Owned by one task at a time. Every model that is read is also written to the copy on disk.
    """

    def __init__(self, dsn: str, city: str, state_dir: Path) -> None:
        self._dsn = dsn
        self._city = city
        self._copy_path = state_dir / f"model-{city}.json"
        self._version: int | None = None

    async def load(self) -> CityModel:
        """Return the model from the database, or the copy on disk while the database is unavailable.

        Raises ServiceError when neither has it. When the database answers but has no model, the copy is not
        used: its datastream ids could mean other datastreams there.
        """
        try:
            connection = await connect(self._dsn, role="model")
        except ServiceError as error:
            model = await self._read_copy_or_raise(error)
        else:
            try:
                async with connection:
                    model = await self._read(connection)
            except psycopg.OperationalError as error:
                model = await self._read_copy_or_raise(error)
        self._version = model.version
        return model

    async def _read_copy_or_raise(self, reason: Exception) -> CityModel:
        try:
            copy = await asyncio.to_thread(read_model_copy, self._copy_path)
        except PermissionError as error:
            raise ServiceError(
                f"no model of the city {self._city!r}: {reason}; the copy at {self._copy_path} belongs to "
                "another user, and only that user may read it. "
                "Start the database, or run the role as the user that owns the copy"
            ) from error
        if copy is None:
            raise ServiceError(
                f"no model of the city {self._city!r}: {reason}; there is no copy at {self._copy_path} "
                "either. "
                "Start the database and run `livetwin apply` with the city's folder"
            ) from reason
        log.warning(
            "the city model is read from its copy %s: %s",
            self._copy_path,
            reason,
            extra={"event": "model.read_from_copy", "city": self._city},
        )
        return copy

    async def watch(self) -> AsyncGenerator[CityModel, None]:
        """Yield the model whenever its version changes; poll every `MODEL_POLL_S`.

        Without an earlier `load()`, yield the first model as soon as the database has it.
        """
        connection: Connection | None = None
        is_unavailable = False
        try:
            while True:
                try:
                    if connection is None:
                        connection = await connect(self._dsn, role="model")
                    model = await self._read_newer(connection)
                except DATABASE_UNAVAILABLE as error:
                    if connection is not None:
                        await connection.close()
                    connection = None
                    raise_if_cancelled()
                    if not is_unavailable:
                        log.warning(
                            "changes of the city model cannot be read: %s",
                            error,
                            extra={"event": "model.unavailable", "city": self._city},
                        )
                    is_unavailable = True
                else:
                    if is_unavailable:
                        log.info(
                            "changes of the city model are read again",
                            extra={"event": "model.available", "city": self._city},
                        )
                    is_unavailable = False
                    if model is not None:
                        self._version = model.version
                        yield model
                await asyncio.sleep(MODEL_POLL_S)
        finally:
            if connection is not None:
                await connection.close()

    async def _read_newer(self, connection: Connection) -> CityModel | None:
        async with connection.transaction():
            row = await find_city_row(connection)
        if row is None or row["id"] != self._city or row["model_version"] == self._version:
            return None
        return await self._read(connection)

    async def _read(self, connection: Connection) -> CityModel:
        model = await load_model(connection, self._city)
        try:
            await asyncio.to_thread(write_model_copy, self._copy_path, model)
        except OSError as error:
            log.warning(
                "the copy of the city model at %s cannot be written: %s",
                self._copy_path,
                error,
                extra={"event": "model.copy_failed", "city": self._city},
            )
        return model
