"""The ports file is updated, with retries after a failed write."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from cli.supervisor.data_dir import DataDir
from cli.supervisor.ports_file import PortsFiles
from twin.errors import ServiceError

DEADLINE_S = 20
POLL_INTERVAL_S = 0.01


def content(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


async def wait_for_content(path: Path, expected: dict[str, int]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while content(path) != expected:  # noqa: ASYNC110 - a timer writes it
            await asyncio.sleep(POLL_INTERVAL_S)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_a_failed_write_is_retried_with_the_newest_content(tmp_path: Path) -> None:
    path = tmp_path / "full" / "ports.json"
    files = PortsFiles(tmp_path, path, retry_s=0.05)
    files.write({"http": 1})
    files.write({"http": 2})
    path.parent.mkdir()
    await wait_for_content(path, {"http": 2})
    files.remove()
    assert modes(path.parent) == {}


async def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    files = PortsFiles(tmp_path, tmp_path / "a.json", tmp_path / "b.json")
    files.write({"http": 1})
    assert modes(tmp_path) == {"a.json": 0o600, "b.json": 0o600}
    assert content(tmp_path / "a.json") == content(tmp_path / "b.json") == {"http": 1}


async def test_a_draft_that_was_there_is_not_written_to(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("")
    readable, linked = tmp_path / "a.json.incomplete", tmp_path / "b.json.incomplete"
    readable.touch(mode=0o644)
    linked.symlink_to(other)
    with readable.open() as opened:
        PortsFiles(tmp_path, tmp_path / "a.json", tmp_path / "b.json").write({"http": 1})
        assert opened.read() == other.read_text() == ""
    assert modes(tmp_path) == {"a.json": 0o600, "b.json": 0o600, "other": 0o644}
    assert not (tmp_path / "b.json").is_symlink()


def started(folder: Path, shared: Path) -> tuple[DataDir, PortsFiles, dict[str, Any]]:
    """Return the locked data dir of a system, its ports files, and what it writes there."""
    data_dir = DataDir(folder)
    files = PortsFiles(data_dir.path, data_dir.path / "ports.json", shared)
    files.clear()
    return data_dir, files, {"http": 1, "dataDir": str(data_dir.path)}


def test_a_system_that_stops_removes_only_its_own_file(tmp_path: Path) -> None:
    shared = tmp_path / "ports.json"
    one, first, content_of_first = started(tmp_path / "one", shared)
    two, second, content_of_second = started(tmp_path / "two", shared)
    first.write(content_of_first)
    second.write(content_of_second)
    assert content(shared) == content_of_first, "the file of a running system is not replaced"
    second.remove()
    assert content(shared) == content_of_first
    assert not (two.path / "ports.json").exists()
    first.remove()
    assert not shared.exists()
    assert not (one.path / "ports.json").exists()


def test_a_system_does_not_start_with_the_ports_file_of_another_one(tmp_path: Path) -> None:
    shared = tmp_path / "ports.json"
    one, first, content_of_first = started(tmp_path / "one", shared)
    first.write(content_of_first)
    with pytest.raises(ServiceError, match=f"is the ports file of the running `livetwin up` in {one.path}"):
        started(tmp_path / "two", shared)
    assert content(shared) == content_of_first


def test_files_of_a_system_that_was_killed_are_removed(tmp_path: Path) -> None:
    shared, killed = tmp_path / "ports.json", tmp_path / "killed"
    killed.mkdir()
    (killed / "lock").touch()
    for owner in (killed, tmp_path / "nowhere", tmp_path / "one"):
        shared.write_text(json.dumps({"http": 1, "dataDir": str(owner)}))
        data_dir, _, _ = started(tmp_path / "one", shared)
        data_dir.release()
        assert not shared.exists()
    shared.touch()
    started(tmp_path / "two", shared)
    assert not shared.exists()


@pytest.mark.parametrize("text", ["127.0.0.1 localhost", "[1]", '{"http": 1}', '{"dataDir": 1}'])
def test_a_file_of_something_else_stays(tmp_path: Path, text: str) -> None:
    shared = tmp_path / "hosts"
    shared.write_text(text)
    with pytest.raises(ServiceError, match="is not the ports file of a `livetwin up`"):
        started(tmp_path / "one", shared)
    assert shared.read_text() == text
