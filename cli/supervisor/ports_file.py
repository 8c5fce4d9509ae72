"""The ports file of `livetwin up`: where everything is, for other programs; see docs/how-to/operations.md."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

RETRY_S = 2.0


class PortsFiles:
    """The files that hold the same content; one that cannot be written, as on a full disk, is tried again.

    Nothing waits for that, and nothing fails by it: what has ended must start again all the same.
    """

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._retry: asyncio.TimerHandle | None = None

    def write(self, content: Mapping[str, Any]) -> None:
        """Bring every file up to date."""
        self._cancel()
        try:
            for path in self._paths:
                _replace(path, content)
        except OSError as error:
            log.warning("the ports file is out of date: %s; tried again in %.0f s", error, RETRY_S)
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self.write, content)

    def remove(self) -> None:
        """Remove every file."""
        self._cancel()
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _cancel(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file as a whole, so that a reader never sees half of it; it holds secrets, so 0600."""
    incomplete = path.with_name(path.name + ".incomplete")
    incomplete.touch(mode=0o600)
    incomplete.write_text(json.dumps(content, indent=2) + "\n")
    incomplete.replace(path)


def ports_content(
    *,
    ports: Mapping[str, int],
    operator_key: str,
    database: str,
    data_dir: Path,
    recycles: int,
    supervisor: int,
    pids: Mapping[str, Sequence[int]],
    metrics: Mapping[str, int],
) -> dict[str, Any]:
    """Return what the file holds."""
    return {
        **ports,
        "operatorKey": operator_key,
        "database": database,
        "dataDir": str(data_dir),
        "recycles": recycles,
        "supervisor": supervisor,
        "metrics": dict(metrics),
        "pids": {name: list(ids) for name, ids in pids.items()},
    }
