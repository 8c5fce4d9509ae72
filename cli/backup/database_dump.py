"""Dump and restore the database as a stream, with PostgreSQL's pg_dump and pg_restore."""

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

_OUTPUT_CHARACTERS_MAX = 600
_CHUNK_BYTES = 1 << 20


@contextmanager
def dump_database(dsn: str) -> Iterator[IO[bytes]]:
    """Yield the dump of one snapshot of a database as a stream. Raises BackupError when pg_dump fails."""
    command = [_program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges"]
    with tempfile.TemporaryFile() as output:
        uri, environment = _connection(dsn)
        with subprocess.Popen(
            [*command, f"--dbname={uri}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
        ) as process:
            assert process.stdout is not None  # noqa: S101 - PIPE was passed
            try:
                yield process.stdout
            except BaseException:
                process.kill()
                raise
        _check("pg_dump", process.returncode, output)


def restore_database(dsn: str, dump: IO[bytes]) -> None:
    """Fill a prepared database from a dump. Raises BackupError when pg_restore fails."""
    command = [_program("pg_restore"), "--no-owner", "--no-privileges", "--exit-on-error"]
    with tempfile.TemporaryFile() as output:
        uri, environment = _connection(dsn)
        with subprocess.Popen(
            [*command, f"--dbname={uri}"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        ) as process:
            assert process.stdin is not None  # noqa: S101 - PIPE was passed
            try:
                shutil.copyfileobj(dump, process.stdin, _CHUNK_BYTES)
                process.stdin.close()
            except BrokenPipeError:
                process.stdin = None  # pg_restore failed; `_check` reports its output
        _check("pg_restore", process.returncode, output)


def _program(name: str) -> str:
    """Return the path of a PostgreSQL program: Debian's, or one on PATH. Raises BackupError without one."""
    try:
        return str(find_postgres_program(name))
    except ServiceError as error:
        path = shutil.which(name)
        if path is None:
            raise BackupError(f"{name} is missing: apt-get install postgresql-client-17") from error
        return path


def _connection(dsn: str) -> tuple[str, dict[str, str]]:
    """Return the DSN without the password, and an environment with it: others can see a command line."""
    parts = conninfo_to_dict(dsn)
    password = parts.pop("password", None)
    secret = {"PGPASSWORD": str(password)} if password else {}
    return make_conninfo("", **parts), {**os.environ, **secret, "LC_ALL": "C"}


def _check(program: str, code: int, output: IO[bytes]) -> None:
    if code:
        output.seek(0)
        text = " ".join(output.read().decode(errors="replace").split())[-_OUTPUT_CHARACTERS_MAX:]
        raise BackupError(f"{program} failed (exit code {code}): {text or '(no output)'}")
