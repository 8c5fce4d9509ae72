"""The receiving end of sd_notify: which child processes have reported that they are ready."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import defaultdict

_DATAGRAM_BYTES_MAX = 4096


class NotifySocket:
    """A datagram socket on which roles report their readiness.

    Its name is abstract: there is no file to remove, and no limit of 108 bytes on the path of the data dir.
    """

    def __init__(self) -> None:
        self._name = f"livetwin-{secrets.token_hex(8)}"
        self._ready: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind("\0" + self._name)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._receive)

    @property
    def address(self) -> str:
        """The value of NOTIFY_SOCKET for children."""
        return "@" + self._name

    async def wait_ready(self, pid: int) -> None:
        """Wait until the process `pid` has reported that it is ready."""
        await self._ready[pid].wait()

    def forget(self, pid: int) -> None:
        """Forget the readiness of a process that has ended; the system may reuse its id."""
        self._ready.pop(pid, None)

    def close(self) -> None:
        """Close the socket."""
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def _receive(self) -> None:
        try:
            datagram = self._socket.recv(_DATAGRAM_BYTES_MAX)
        except BlockingIOError:
            return
        fields = dict(
            line.split("=", 1) for line in datagram.decode(errors="replace").split("\n") if "=" in line
        )
        if fields.get("READY") == "1" and fields.get("MAINPID", "").isdigit():
            self._ready[int(fields["MAINPID"])].set()
