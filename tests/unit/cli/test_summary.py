"""What `livetwin up` prints when it is ready."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.supervisor.data_dir import DataDir
from cli.supervisor.embedded_system import EmbeddedSystem
from cli.supervisor.options import UpOptions
from cli.supervisor.progress import TerminalProgress

PASSWORD = "secret-of-the-database"


async def printed(folder: Path, *, shows_secrets: bool) -> tuple[str, str]:
    """Return the lines of a system in a folder, and its operator key."""
    options = UpOptions(
        city=Path("/city"),
        data_dir=folder,
        port=8080,
        mqtt_port=1883,
        kafka_port=9092,
        postgres_port=5432,
        simulate=False,
        simulator={},
        acknowledge=None,
        ports_file=None,
        log_bytes_max=1 << 30,
        verbose=False,
    )
    (folder / "postgres.password").write_text(PASSWORD)
    data_dir = DataDir(folder)
    system = EmbeddedSystem(options, data_dir, TerminalProgress())
    try:
        return "\n".join(system.summary(shows_secrets=shows_secrets)), data_dir.secret("operator.key")
    finally:
        await system.stop()
        data_dir.release()


async def test_a_terminal_shows_the_secrets(tmp_path: Path) -> None:
    lines, operator_key = await printed(tmp_path, shows_secrets=True)
    assert f"  database      postgresql://livetwin:{PASSWORD}@127.0.0.1:5432/livetwin\n" in lines
    assert f"  operator key  {operator_key}\n" in lines


async def test_output_that_a_log_may_keep_names_the_files_of_the_secrets(tmp_path: Path) -> None:
    lines, operator_key = await printed(tmp_path, shows_secrets=False)
    assert PASSWORD not in lines
    assert operator_key not in lines
    assert f"  database      localhost:5432; password in {tmp_path}/ports.json\n" in lines
    assert f"  operator key  in {tmp_path}/operator.key\n" in lines


@contextmanager
def terminal() -> Iterator[int]:
    controller, terminal = pty.openpty()
    try:
        yield terminal
    finally:
        os.close(controller)
        os.close(terminal)


async def test_only_a_terminal_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = TerminalProgress()
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr("sys.stdout", log)
        assert not progress.is_terminal
    with terminal() as descriptor, os.fdopen(descriptor, "w", closefd=False) as opened:
        monkeypatch.setattr("sys.stdout", opened)
        assert progress.is_terminal
