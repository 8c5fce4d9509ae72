"""TCP ports on loopback: find a free port, name the process on a taken one, and probe until one answers."""

from __future__ import annotations

import asyncio
import secrets
import socket
from http import HTTPStatus
from pathlib import Path

from cli.process.procfs import command_name, process_ids
from twin.errors import ServiceError

LOOPBACK = "127.0.0.1"

# Below Linux's ephemeral range (from 32768), so that no outgoing connection takes the port meanwhile.
_FREE_FIRST, _FREE_LAST = 15_000, 32_000
_FREE_TRIES_MAX = 200
_CONNECT_INTERVAL_S = 0.02
_HTTP_POLL_INTERVAL_S = 0.05
_HTTP_TIMEOUT_S = 5.0
_LISTENING = "0A"


def free_port() -> int:
    """Return a port on which nothing listens, and reserve it until this process ends.

    A reserved port is not returned again, here or in another process, and no outgoing connection takes it.
    Servers of any process can listen on it, as long as they set SO_REUSEADDR, as all common ones do.
    """
    for _ in range(_FREE_TRIES_MAX):
        port = _FREE_FIRST + secrets.randbelow(_FREE_LAST - _FREE_FIRST)
        if _reserve(port):
            return port
    raise ServiceError(f"no free port on {LOOPBACK} between {_FREE_FIRST} and {_FREE_LAST}")


def _reserve(port: int) -> bool:
    """Keep a socket bound to a port without listening, unless any other socket is bound to it."""
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        reservation.bind((LOOPBACK, port))
    except OSError:
        reservation.close()
        return False
    # Only after bind: before it, the socket would share the port with another reservation.
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.detach()
    return True


def is_port_free(port: int) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def claim_port(port: int, service: str, option: str) -> int:
    """Return a free port for 0, else `port` itself.

    Raises ServiceError when `port` is taken; the message names the process on it, if that is visible.
    """
    if port == 0:
        return free_port()
    if not is_port_free(port):
        holder = port_holder(port)
        by = f" by {holder}" if holder else ""
        raise ServiceError(
            f"port {port} for {service} is taken{by}: stop that, or choose another with {option} "
            "(0: any free port)"
        )
    return port


def port_holder(port: int) -> str | None:
    """Return `name (pid)` of the process that listens on a port, or None if it is not visible."""
    sockets = _listening_sockets(port)
    for pid in process_ids():
        try:
            descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                if str(descriptor.readlink()) in sockets:
                    return f"{command_name(pid)} (pid {pid})"
            except OSError:
                continue
    return None


async def wait_until_open(port: int) -> None:
    """Wait until a port accepts connections; the caller sets the deadline."""
    while True:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(_CONNECT_INTERVAL_S)
        else:
            writer.close()
            return


async def wait_until_healthy(port: int, path: str) -> None:
    """Wait until `GET path` returns status 200; the caller sets the deadline."""
    while True:
        if await http_status(port, path) == HTTPStatus.OK:
            return
        await asyncio.sleep(_HTTP_POLL_INTERVAL_S)


async def http_status(port: int, path: str) -> int | None:
    """Return the status of `GET path`, or None without an answer."""
    try:
        async with asyncio.timeout(_HTTP_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
                line = await reader.readline()
            finally:
                writer.close()
        return int(line.split()[1])
    except (OSError, TimeoutError, IndexError, ValueError):
        return None


def _listening_sockets(port: int) -> set[str]:
    """Return `socket:[inode]` for each socket that listens on a port, as in /proc/PID/fd."""
    names = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        path = Path(table)
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                names.add(f"socket:[{fields[9]}]")
    return names
