"""The unprivileged account of a service that root starts, and a folder which that account can enter."""

from __future__ import annotations

import os
import pwd
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from twin.errors import ServiceError

FALLBACK_PARENT = Path("/var/lib/livetwin")
"""Parent of a service's folder if its account cannot enter the data dir, such as a checkout under /root."""

_FALLBACK = "nobody"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A user account of this machine."""

    name: str
    uid: int
    gid: int

    def setpriv_options(self) -> list[str]:
        """Return the options that make setpriv(1) run a program as this user."""
        return [f"--reuid={self.uid}", f"--regid={self.gid}", "--init-groups"]


def service_account(preferred: str, folder: Path) -> ServiceAccount | None:
    """Return the account for a service; None, the current user, unless that is root.

    The owner of an existing `folder` is kept. No account is created: `preferred` comes with the Debian
    package of the service, `nobody` with every system. Raises ServiceError when neither exists.
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
    """Return whether the mode bits let an account enter every folder above `path`."""
    if account is None:
        return True
    return all(_may_enter(parent.stat(), account) for parent in path.resolve().parents)


def create_service_folder(
    path: Path, account: ServiceAccount | None, *, elsewhere: Path = FALLBACK_PARENT
) -> Path:
    """Create the folder for the files of a service, owned by its account; return its real path.

    If the account cannot reach `path`, `path` becomes a link to a folder below `elsewhere`.
    Raises ServiceError when neither folder can be used.
    """
    try:
        if path.is_symlink():
            target = path.readlink()
        elif can_reach(path, account):
            target = path
        else:
            # A unique name: a data dir that is moved later keeps its link, and so its data.
            target = elsewhere / f"{path.parent.name.strip('.')}-{secrets.token_hex(6)}" / path.name
            path.symlink_to(target)
        target.mkdir(parents=True, exist_ok=True)
        if account is not None:
            os.chown(target, account.uid, account.gid)
        target.chmod(0o700)
    except OSError as error:
        raise ServiceError(
            f"cannot create the folder {path} ({error.strerror}): choose another --data-dir"
        ) from error
    if not can_reach(target, account):
        raise ServiceError(
            f"the user {account.name if account else '?'} cannot enter {target}: "
            "choose a --data-dir below folders that everyone may enter, such as /var/tmp/livetwin"
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
