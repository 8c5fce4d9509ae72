"""Telling the supervisor that a role is ready: sd_notify(3), so systemd understands it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify_ready() -> None:
    """Tell whoever started this process that it does its work now; do nothing when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        suppress(ConnectionRefusedError, FileNotFoundError),  # it listened once
    ):
        sender.sendto(f"READY=1\nMAINPID={os.getpid()}".encode(), address)
