"""The unprivileged account that a service runs as when we are root, and the folder that it can reach."""

from __future__ import annotations

import os
import pwd
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from twin.errors import ServiceError

ELSEWHERE = Path("/var/lib/livetwin")
"""Where a service's folder goes when its account cannot reach the data dir (a checkout under /root)."""

_FALLBACK = "nobody"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A user of this machine."""

    name: str
    uid: int
    gid: int

    def setpriv_options(self) -> list[str]:
        """Return the options that make setpriv(1) run a program as this user."""
        return [f"--reuid={self.uid}", f"--regid={self.gid}", "--init-groups"]


def service_account(preferred: str, folder: Path) -> ServiceAccount | None:
    """Return the account to run a service as: None (ourselves) unless we are root.

    A folder that an earlier start made keeps its owner. Nothing is created: `preferred` comes with the
    service's Debian package, `nobody` with every system.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat().st_uid) != 0:
        entry = pwd.getpwuid(owner)
        return ServiceAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in (preferred, _FALLBACK):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServiceAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ServiceError(
        f"neither the user {preferred!r} nor {_FALLBACK!r} exists, and a service must not run as root: "
        "create one, or run as an ordinary user"
    )


def can_reach(path: Path, account: ServiceAccount | None) -> bool:
    """Tell whether an account may pass through every folder above `path` (by mode bits)."""
    if account is None:
        return True
    return all(_may_enter(parent.stat(), account) for parent in path.resolve().parents)


def create_service_folder(path: Path, account: ServiceAccount | None) -> Path:
    """Create the folder that a service keeps its files in, owned by its account; return where it is.

    Where the account cannot reach `path`, `path` becomes a link to a folder below `ELSEWHERE`.
    Raises ServiceError when neither place can be had.
    """
    try:
        if path.is_symlink():
            target = path.readlink()
        elif can_reach(path, account):
            target = path
        else:
            # A name of its own: a data dir that was moved away keeps its link, and its data.
            target = ELSEWHERE / f"{path.parent.name.strip('.')}-{secrets.token_hex(6)}" / path.name
            path.symlink_to(target)
        target.mkdir(parents=True, exist_ok=True)
        if account is not None:
            os.chown(target, account.uid, account.gid)
        target.chmod(0o700)
    except OSError as error:
        raise ServiceError(
            f"cannot make the folder {path} ({error.strerror}): choose another --data-dir"
        ) from error
    if not can_reach(target, account):
        raise ServiceError(
            f"{target} cannot be reached by the user {account.name if account else '?'}: "
            "choose a --data-dir that everyone may pass through, such as /var/tmp/livetwin"
        )
    return target


def set_owner_and_mode(path: Path, account: ServiceAccount | None, mode: int) -> None:
    """Set the owner and mode of one file of a service."""
    if account is not None:
        os.chown(path, account.uid, account.gid)
    path.chmod(mode)


def _may_enter(folder: os.stat_result, account: ServiceAccount) -> bool:
    if folder.st_uid == account.uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid in os.getgrouplist(account.name, account.gid):
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)
