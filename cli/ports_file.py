"""The ports file of `livetwin up`: where everything is, for other programs; see docs/operations.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_ports_file(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file as a whole, so that a reader never sees half of it; it holds secrets, so 0600."""
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
