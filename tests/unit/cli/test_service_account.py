"""The folders that an unprivileged account can reach."""

from __future__ import annotations

from pathlib import Path

from cli.process.service_account import ServiceAccount, can_reach

NOBODY = ServiceAccount("nobody", 65534, 65534)


def test_a_folder_below_a_closed_folder_cannot_be_reached(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert not can_reach(closed / "data", NOBODY)


def test_the_current_user_reaches_every_folder(tmp_path: Path) -> None:
    assert can_reach(tmp_path / "data", None)
