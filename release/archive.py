"""Archives whose bytes depend on nothing but the content, the names and the time of the commit."""

from __future__ import annotations

import gzip
import tarfile
from io import BytesIO
from pathlib import Path

_FILE_MODE = 0o644


def write_archive(folder: Path, target: Path, *, epoch: int, leave_out: frozenset[str] = frozenset()) -> None:
    """Write the files below a folder to a tar.gz, in a folder of the archive's own name.

    `leave_out` has names of files and folders. Owners, modes and times of the files do not count.
    """
    top = target.name.removesuffix(".tar.gz")
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*"), key=lambda one: one.relative_to(folder).parts):
            name = path.relative_to(folder)
            if not path.is_file() or leave_out & set(name.parts):
                continue
            entry = tarfile.TarInfo(f"{top}/{name.as_posix()}")
            content = path.read_bytes()
            entry.size, entry.mtime, entry.mode = len(content), epoch, _FILE_MODE
            tar.addfile(entry, BytesIO(content))
    target.write_bytes(gzip.compress(buffer.getvalue(), mtime=epoch))
