"""The files with the accounts of the roles at the database: one for each role, with its connection URI.

A role reads its file, named like it, through LIVETWIN_DATABASE_FILE. `livetwin migrate --accounts` creates
missing files, and sets the password of each role to the one in its file.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cli.mosquitto_files import new_password
from storage.schema.rights import RIGHTS, role_user
from twin.errors import TwinError

_URI_SCHEMES = ("postgresql", "postgres")


class AccountFileError(TwinError):
    """A file with the account of a role cannot be read or written, or is of another role."""


def role_connection_uri(uri: str, role: str, password: str) -> str:
    """Return the connection URI of a role, to the same servers and database as that of the owner.

    >>> role_connection_uri("postgresql://o:p@db-1,db-2/city?sslmode=verify-full", "api", "x/y")
    'postgresql://livetwin_api:x%2Fy@db-1,db-2/city?sslmode=verify-full'
    >>> role_connection_uri("host=db dbname=city user=o", "api", "x")
    'user=livetwin_api dbname=city host=db password=x'
    """
    parts = urlsplit(uri)
    if parts.scheme not in _URI_SCHEMES:
        return make_conninfo("", **{**conninfo_to_dict(uri), "user": role_user(role), "password": password})
    servers = parts.netloc.rpartition("@")[2]
    account = f"{quote(role_user(role), safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{account}@{servers}"))


def role_passwords(folder: Path, owner_uri: str, rotated: Collection[str] = ()) -> dict[str, str]:
    """Return the password of each role, from its file.

    A missing file is created with a new password, and one of a `rotated` role is replaced. Raises
    AccountFileError.
    """
    passwords = {}
    for role in RIGHTS:
        path = folder / role
        try:
            if role in rotated or not path.exists():
                _write(path, role_connection_uri(owner_uri, role, new_password()))
            content = path.read_text()
        except OSError as error:
            raise AccountFileError(
                f"{path}: {error.strerror}; expected the connection URI of the role {role}"
            ) from error
        passwords[role] = _password(path, role, content)
    return passwords


def _write(path: Path, content: str) -> None:
    """Write a file that only its owner can read, whole; one that exists keeps its owner and mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    present = path.stat() if path.exists() else None
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(content + "\n")
    if present is not None:
        os.chown(draft, present.st_uid, present.st_gid)
        draft.chmod(present.st_mode & 0o777)
    draft.replace(path)


def _password(path: Path, role: str, content: str) -> str:
    try:
        found = conninfo_to_dict(content.strip())
    except psycopg.Error:
        # The message of the error repeats its input, which contains the password.
        raise AccountFileError(
            f"{path}: expected postgresql://{role_user(role)}:PASSWORD@HOST:PORT/NAME"
        ) from None
    if found.get("user") != role_user(role):
        raise AccountFileError(f"{path}: found the user {found.get('user')!r}, expected {role_user(role)!r}")
    if not found.get("password"):
        raise AccountFileError(f"{path}: found no password; remove the file for one with a new password")
    return str(found["password"])
