"""Notifies the supervisor that a role is ready, by the protocol of sd_notify(3), which systemd uses."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify_ready() -> None:
    """Notify the supervisor that this process is ready; do nothing where there is no supervisor."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        suppress(ConnectionRefusedError, FileNotFoundError),  # the supervisor is gone
    ):
        sender.sendto(f"READY=1\nMAINPID={os.getpid()}".encode(), address)
