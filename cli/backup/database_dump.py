"""The database in a backup: dumped and restored by PostgreSQL's own programs, streamed without a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.backup.manifest import BackupError
from cli.embedded.postgres import find_postgres_program
from twin.errors import ServiceError

_WORDS_MAX = 600
_CHUNK_BYTES = 1 << 20


@contextmanager
def dump_database(dsn: str) -> Iterator[IO[bytes]]:
    """Yield the dump of a database, one snapshot. Raises BackupError when pg_dump fails."""
    command = [_program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges"]
    with tempfile.TemporaryFile() as words:
        place, environment = _place(dsn)
        with subprocess.Popen(
            [*command, f"--dbname={place}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words,
            env=environment,
        ) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            try:
                yield process.stdout
            except BaseException:
                process.kill()
                raise
        _check("pg_dump", process.returncode, words)


def restore_database(dsn: str, dump: IO[bytes]) -> None:
    """Fill a database that is prepared for it. Raises BackupError when pg_restore fails."""
    command = [_program("pg_restore"), "--no-owner", "--no-privileges", "--exit-on-error"]
    with tempfile.TemporaryFile() as words:
        place, environment = _place(dsn)
        with subprocess.Popen(
            [*command, f"--dbname={place}"],
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=environment,
        ) as process:
            assert process.stdin is not None  # noqa: S101 - a pipe was asked for
            try:
                shutil.copyfileobj(dump, process.stdin, _CHUNK_BYTES)
                process.stdin.close()
            except BrokenPipeError:
                process.stdin = None  # it failed, and says why
        _check("pg_restore", process.returncode, words)


def _program(name: str) -> str:
    """Return a program of PostgreSQL: Debian's, or that of the path."""
    try:
        return str(find_postgres_program(name))
    except ServiceError as error:
        found = shutil.which(name)
        if found is None:
            raise BackupError(f"{name} is missing: apt-get install postgresql-client-17") from error
        return found


def _place(dsn: str) -> tuple[str, dict[str, str]]:
    """Return where a database is, and the environment with the password: others see a command line."""
    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    secret = {"PGPASSWORD": str(password)} if password else {}
    return make_conninfo("", **parts), {**os.environ, **secret, "LC_ALL": "C"}


def _check(program: str, code: int, words: IO[bytes]) -> None:
    if code:
        words.seek(0)
        said = " ".join(words.read().decode(errors="replace").split())[-_WORDS_MAX:]
        raise BackupError(f"{program} failed (exit code {code}): {said or '(nothing)'}")
