"""Cuts the TCP connections of another process, as a broken network would; Linux only."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

# pidfd_getfd(2): the same number on every architecture.
_PIDFD_GETFD = 438
_ESTABLISHED = "01"


def cut_connections(pid: int, remote_port: int) -> int:
    """Shut down a process's connections to a port on this machine; return their number.

    The process sees them closed by the other side. Needs the right to trace the process: a child, or root.
    """
    count = 0
    for connection in sockets_to(pid, remote_port):
        connection.shutdown(socket.SHUT_RDWR)
        count += 1
    return count


def sockets_to(pid: int, remote_port: int) -> Iterator[socket.socket]:
    """Yield each of the process's connections to a port on this machine, one after the other."""
    wanted = _socket_inodes(remote_port)
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(entry.readlink())
            except FileNotFoundError:
                continue  # closed meanwhile
            if target not in wanted:
                continue
            number = libc.syscall(_PIDFD_GETFD, pidfd, int(entry.name), 0)
            if number < 0:
                raise OSError(ctypes.get_errno(), f"no access to connection {entry.name} of process {pid}")
            with socket.socket(fileno=number) as connection:
                yield connection
    finally:
        os.close(pidfd)


def _socket_inodes(remote_port: int) -> set[str]:
    """Return `socket:[inode]` of every established connection to the port."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[2].rsplit(":", 1)[1], 16) == remote_port and fields[3] == _ESTABLISHED:
                found.add(f"socket:[{fields[9]}]")
    return found
