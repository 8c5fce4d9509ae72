"""Mosquitto's password file and access control file."""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ingest.broker_accounts import BrokerAccount
from twin.errors import TwinError

PASSWORD_BYTES = 18
"""144 random bits cannot be guessed, so the password hash need not be slow."""

# As in mosquitto_passwd(1). The broker computes the hash in its only thread at each connect.
_ITERATIONS = 101
_SALT_BYTES = 12
_GROUP = "mosquitto"
_MODE = 0o640


class PasswordFileError(TwinError):
    """A password file is not in Mosquitto's format."""


def new_password() -> str:
    """Return a random password."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def password_hash(password: str) -> str:
    """Return Mosquitto's hash of a password: `$7$`, PBKDF2 with SHA-512 and a random salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def read_passwords(path: Path) -> dict[str, str]:
    """Return the hash of each account; none if the file is missing. Raises PasswordFileError."""
    hashes: dict[str, str] = {}
    with suppress(FileNotFoundError):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            name, colon, digest = line.partition(":")
            if not colon or not digest.startswith("$"):
                raise PasswordFileError(f"{path}:{number}: expected NAME:$7$…, as mosquitto_passwd writes it")
            hashes[name] = digest
    return hashes


def password_file_content(hashes: Mapping[str, str]) -> str:
    """Return the content of a password file."""
    return "".join(f"{name}:{digest}\n" for name, digest in hashes.items())


def acl_file_content(accounts: Iterable[BrokerAccount]) -> str:
    """Return the content of an access control file; Mosquitto refuses what it does not list."""
    lines = ["# Written by `livetwin credentials`; changes made here are lost.", ""]
    for account in accounts:
        lines.append(f"user {account.name}")
        lines += [f"topic {'readwrite' if one in account.reads else 'write'} {one}" for one in account.writes]
        lines += [f"topic read {one}" for one in account.reads if one not in account.writes]
        lines.append("")
    return "\n".join(lines)


def write_broker_file(path: Path, content: str) -> None:
    """Replace a file atomically; as root, let the broker's group read it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w") as file:
        file.write(content)
    if os.geteuid() == 0:
        with suppress(KeyError):
            os.chown(fresh, 0, grp.getgrnam(_GROUP).gr_gid)
    fresh.replace(path)


def write_secret(path: Path, secret: str) -> None:
    """Write a secret to a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(secret + "\n")
