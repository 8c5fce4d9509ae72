"""A file that gets the messages of `livetwin://log` with their links, for a demo on one's own machine.

A log may be collected, kept and read by others, so it has no links. Only its owner can read this file.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

MESSAGE_FILE_BYTES_MAX = 256 * 1024
"""Some hundred messages; then the file begins anew, and the one before it is kept as `NAME.1`."""


class MessageFile:
    """Appends messages, from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Append a message. Raises OSError."""
        with self._lock:
            # Under its own descriptor: a file that was there keeps its content, and gets the mode.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8") as file:
                os.fchmod(descriptor, 0o600)
                file.write(f"{text}\n\n")
                size = file.tell()
            if size > MESSAGE_FILE_BYTES_MAX:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
