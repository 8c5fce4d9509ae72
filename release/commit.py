"""The commit that is built, and its time, which is the only time in what is built."""

from __future__ import annotations

import datetime as dt
import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path


class CommitError(Exception):
    """There is no commit to build."""


@dataclass(frozen=True)
class Commit:
    """A commit."""

    id: str
    time: dt.datetime

    @property
    def epoch(self) -> int:
        """Seconds since 1970, as SOURCE_DATE_EPOCH."""
        return int(self.time.timestamp())


def head(root: Path) -> Commit:
    """Return the commit that is checked out; raise CommitError outside of a git checkout."""
    commit, seconds = _git(root, "log", "-1", "--format=%H %ct").decode().split()
    return Commit(id=commit, time=dt.datetime.fromtimestamp(int(seconds), dt.UTC))


def extract(root: Path, commit: Commit, folder: Path) -> None:
    """Write the files of a commit to a folder: nothing that is not committed."""
    archive = _git(root, "archive", "--format=tar", commit.id)
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def _git(root: Path, *arguments: str) -> bytes:
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", b"").decode().strip() or error
        raise CommitError(f"{root} is not a git checkout with a commit: {reason}") from error
