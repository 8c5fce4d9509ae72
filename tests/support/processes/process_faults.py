"""Faults of a process: killed, frozen, throttled, or cut off by the network."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import psutil

from tests.support.processes.connection_faults import sockets_to

ROLES = ("ingest", "stream", "historian", "alerting", "outlets", "api")

# The part of each tenth of a second in which a throttled process runs.
_CYCLE_S = 0.1
_WORKING_S = 0.02

# linux/asm-generic/socket.h; a filter of one instruction, BPF_RET | BPF_K: 0 bytes pass.
_SO_ATTACH_FILTER = 26
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


def kill(pid: int) -> None:
    """Kill a process with -9."""
    os.kill(pid, signal.SIGKILL)


def process_tree(pids: Sequence[int]) -> list[psutil.Process]:
    """Return processes with all their descendants."""
    found: list[psutil.Process] = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            found += [*parent.children(recursive=True), parent]
    return found


def signal_all(processes: Sequence[psutil.Process], which: signal.Signals) -> None:
    """Send a signal to every process that still runs."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(which)


@asynccontextmanager
async def frozen(pids: Sequence[int]) -> AsyncIterator[None]:
    """Freeze processes for the block: connections stay open and nothing answers."""
    processes = process_tree(pids)
    signal_all(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(processes, signal.SIGCONT)


@asynccontextmanager
async def throttled(pids: Sequence[int]) -> AsyncIterator[None]:
    """Let processes run for a fifth of the time."""

    async def cycle() -> None:
        while True:
            processes = process_tree(pids)
            signal_all(processes, signal.SIGSTOP)
            try:
                await asyncio.sleep(_CYCLE_S - _WORKING_S)
            finally:
                signal_all(processes, signal.SIGCONT)
            await asyncio.sleep(_WORKING_S)

    task = asyncio.create_task(cycle())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def drop_incoming(connection: socket.socket) -> None:
    """Drop everything that arrives on a connection, for good."""
    program = ctypes.create_string_buffer(_DROP_ALL)
    header = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


def make_half_open(pid: int, remote_port: int) -> int:
    """Drop everything that arrives on a process's connections to a port; return their number.

    Neither data nor a close gets through, as behind a firewall that has forgotten the connection.
    """
    count = 0
    for connection in sockets_to(pid, remote_port):
        drop_incoming(connection)
        count += 1
    return count
