"""Databases as copies of a template; the next one is created while a test runs."""

from __future__ import annotations

import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql


class SpareDatabases:
    """Creates databases ahead and removes used ones. A copy takes some 0.3 s, and a test mostly waits.

    One thread does all work in order. `administration` is the URI of a database other than the template.
    """

    def __init__(self, administration: str, template: str) -> None:
        self._administration = administration
        self._template = template
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="spare databases")
        self._removals: list[Future[None]] = []
        self._next = self._worker.submit(self._make)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.shutdown()
        for removal in self._removals:
            removal.result()

    def take(self) -> Future[str]:
        """Return a future of the name of a fresh database."""
        taken, self._next = self._next, self._worker.submit(self._make)
        return taken

    def release(self, name: str) -> None:
        """Remove a database soon; open connections to it are terminated."""
        self._removals.append(self._worker.submit(self._remove, name))

    def _make(self) -> str:
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self._administration, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(self._template)
                )
            )
        return name

    def _remove(self, name: str) -> None:
        with psycopg.connect(self._administration, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
