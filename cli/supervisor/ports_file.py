"""The ports file of `livetwin up`: ports, process ids and keys; see docs/how-to/operations.md."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.supervisor.data_dir import is_locked
from twin.errors import ServiceError

log = logging.getLogger(__name__)

PORTS_FILE_NAME = "ports.json"
"""The name of the ports file in the data dir."""

RETRY_S = 2.0


def read_ports_file(path: Path) -> dict[str, Any]:
    """Return the content of a ports file. Raises OSError, and ValueError if it is not JSON."""
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


class PortsFiles:
    """Files with the same content, of the system in one data dir, which this process has locked.

    A file of another running system is neither replaced nor removed. A failed write, such as on a full disk,
    is retried in the background: it neither blocks nor fails the supervisor, which still has to restart
    processes.
    """

    def __init__(self, data_dir: Path, *paths: Path, retry_s: float = RETRY_S) -> None:
        self._data_dir = str(data_dir)
        self._paths = paths
        self._retry_s = retry_s
        self._retry: asyncio.TimerHandle | None = None

    def clear(self) -> None:
        """Remove what an earlier run left, such as one that was killed.

        Raises ServiceError for the file of another running system, and for one that is no ports file.
        """
        for path in self._paths:
            if not path.exists():
                continue
            try:
                owner = _owner(path) if path.stat().st_size else ""
            except (OSError, ValueError) as error:
                raise ServiceError(
                    f"{path} is not the ports file of a `livetwin up`: it stays as it is; choose another "
                    "name with --ports-file"
                ) from error
            if owner != self._data_dir and is_locked(Path(owner)):
                raise ServiceError(
                    f"{path} is the ports file of the running `livetwin up` in {owner}: choose another name "
                    "with --ports-file"
                )
            path.unlink(missing_ok=True)

    def write(self, content: Mapping[str, Any]) -> None:
        """Replace the content of every file."""
        self._cancel_retry()
        try:
            for path in self._paths:
                if not self._is_of_another(path):
                    _replace(path, content)
        except OSError as error:
            log.warning(
                "the ports file is out of date: %s; next attempt in %.0f s",
                error,
                self._retry_s,
                extra={"event": "supervisor.ports_file_failed"},
            )
            self._retry = asyncio.get_running_loop().call_later(self._retry_s, self.write, content)

    def remove(self) -> None:
        """Remove every file that is still that of this system."""
        self._cancel_retry()
        for path in self._paths:
            if not self._is_of_another(path):
                path.unlink(missing_ok=True)

    def _is_of_another(self, path: Path) -> bool:
        """Return whether another running system has written a file since `clear`."""
        try:
            owner = _owner(path)
        except (OSError, ValueError):
            return False
        return owner != self._data_dir and is_locked(Path(owner))

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


def _owner(path: Path) -> str:
    """Return the data dir in a ports file. Raises OSError, and ValueError if it is something else."""
    content = read_ports_file(path)
    if not isinstance(content, dict) or not isinstance(content.get("dataDir"), str):
        raise ValueError("no data dir")
    return str(content["dataDir"])


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file atomically; it holds secrets, so only its owner may read it.

    In a folder such as /tmp another user can have made a file or a link of any name.
    """
    incomplete = path.with_name(path.name + ".incomplete")
    incomplete.unlink(missing_ok=True)
    with os.fdopen(os.open(incomplete, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
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
    """Return the content of a ports file."""
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
