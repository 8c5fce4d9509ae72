"""The ports file is updated, with retries after a failed write."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from cli.supervisor.ports_file import PortsFiles

DEADLINE_S = 20
POLL_INTERVAL_S = 0.01


def content(path: Path) -> dict[str, int] | None:
    return json.loads(path.read_text()) if path.exists() else None


async def wait_for_content(path: Path, expected: dict[str, int]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while content(path) != expected:  # noqa: ASYNC110 - a timer writes it
            await asyncio.sleep(POLL_INTERVAL_S)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_a_failed_write_is_retried_with_the_newest_content(tmp_path: Path) -> None:
    path = tmp_path / "full" / "ports.json"
    files = PortsFiles(path, retry_s=0.05)
    files.write({"http": 1})
    files.write({"http": 2})
    path.parent.mkdir()
    await wait_for_content(path, {"http": 2})
    files.remove()
    assert modes(path.parent) == {}


async def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    files = PortsFiles(tmp_path / "a.json", tmp_path / "b.json")
    files.write({"http": 1})
    assert modes(tmp_path) == {"a.json": 0o600, "b.json": 0o600}
    assert content(tmp_path / "a.json") == content(tmp_path / "b.json") == {"http": 1}
