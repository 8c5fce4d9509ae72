"""A role notifies its supervisor that it is ready, and continues without one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from runtime.readiness import notify_ready


@pytest.mark.parametrize("abstract", [True, False])
def test_a_supervisor_is_notified_and_a_missing_one_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool
) -> None:
    name = f"{tmp_path}/notify"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}" if abstract else name)
        notify_ready()
        assert listener.recv(256).startswith(b"READY=1\n")
    notify_ready()
    Path(name).unlink(missing_ok=True)
    notify_ready()
