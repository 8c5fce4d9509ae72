"""Log files stay bounded and keep their last lines."""

from __future__ import annotations

from pathlib import Path

from cli.process.log_files import last_lines, rotate


def test_a_log_that_is_too_long_is_copied_and_its_writer_continues(tmp_path: Path) -> None:
    log = tmp_path / "role.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        rotate(log, bytes_max=99)
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n"
    assert (tmp_path / "role.log.1").read_bytes() == b"x" * 100


def test_a_log_that_cannot_be_copied_is_still_truncated(tmp_path: Path) -> None:
    log = tmp_path / "role.log"
    log.write_bytes(b"x" * 100)
    (tmp_path / "role.log.1").mkdir()
    rotate(log, bytes_max=99)
    assert log.read_bytes() == b""


def test_a_short_log_is_not_rotated(tmp_path: Path) -> None:
    log = tmp_path / "role.log"
    log.write_text("short\n")
    rotate(log, bytes_max=99)
    assert log.read_text() == "short\n"
    assert not (tmp_path / "role.log.1").exists()


def test_the_last_lines_skip_blank_lines(tmp_path: Path) -> None:
    log = tmp_path / "role.log"
    log.write_text("one\n\ntwo\n\n  three\n\n")
    assert last_lines(log, 2) == ["two", "three"]
    assert last_lines(tmp_path / "none.log", 2) == []
