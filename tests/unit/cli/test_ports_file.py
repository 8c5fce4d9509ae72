"""The ports file is brought up to date, also when that is not possible at first."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from cli.supervisor import ports_file
from cli.supervisor.ports_file import PortsFiles

DEADLINE_S = 20
LOOK_S = 0.01


def told(path: Path) -> dict[str, int] | None:
    return json.loads(path.read_text()) if path.exists() else None


async def until(path: Path, wanted: dict[str, int]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while told(path) != wanted:  # noqa: ASYNC110 - a timer writes it
            await asyncio.sleep(LOOK_S)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_what_cannot_be_written_is_written_as_soon_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports_file, "RETRY_S", 0.05)
    path = tmp_path / "full" / "ports.json"
    files = PortsFiles(path)
    files.write({"http": 1})
    files.write({"http": 2})
    path.parent.mkdir()
    await until(path, {"http": 2})
    files.remove()
    assert modes(path.parent) == {}


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    files = PortsFiles(tmp_path / "a.json", tmp_path / "b.json")
    files.write({"http": 1})
    assert modes(tmp_path) == {"a.json": 0o600, "b.json": 0o600}
    assert told(tmp_path / "a.json") == told(tmp_path / "b.json") == {"http": 1}
