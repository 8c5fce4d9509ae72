"""A part of a benchmark in its own process, so that its processor time is measured separately.

Parent and worker communicate over a pipe: the parent sends commands, the worker answers. A worker ends
when its parent is gone; when it fails, it sends the error.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any

import uvloop

_END_TIMEOUT_S = 10.0

COUNT_STILL_S = 10.0
"""A count that has not risen for so long is final: the rest is lost."""

_COUNT_INTERVAL_S = 0.1


class BenchmarkError(Exception):
    """A measurement failed; this says nothing about lost data."""


class WorkerChannel:
    """The worker's end of the pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, answer: object) -> None:
        """Send an answer to the parent."""
        self._connection.send(answer)

    async def receive(self) -> str:
        """Return the parent's next command; raise EOFError when the parent is gone."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        loop.add_reader(self._connection.fileno(), arrived.set)
        try:
            if not self._connection.poll():
                await arrived.wait()
        finally:
            loop.remove_reader(self._connection.fileno())
            # uvloop's reader made it non-blocking, which breaks a large answer.
            os.set_blocking(self._connection.fileno(), True)
        return self.receive_blocking()

    def receive_blocking(self) -> str:
        """Wait for the next command without the event loop; raise EOFError when the parent is gone."""
        return str(self._connection.recv())

    def fileno(self) -> int:
        """Return the file descriptor that is readable when a command has arrived, for `select`."""
        return self._connection.fileno()


WorkerFunction = Callable[..., Coroutine[Any, Any, None]]
"""The work of a worker: called with its channel and its options."""


class WorkerProcess:
    """The parent's end."""

    def __init__(self, name: str, work: WorkerFunction, options: object) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(work, theirs, options), name=name, daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def send(self, command: str) -> None:
        """Send a command."""
        self._connection.send(command)

    def has_answer(self, timeout_s: float) -> bool:
        """Wait for an answer; return whether there is one."""
        return self._connection.poll(timeout_s)

    def answer(self, timeout_s: float) -> Any:
        """Return the next answer; raise BenchmarkError when the worker fails, ends or is too slow."""
        if not self._connection.poll(timeout_s):
            raise BenchmarkError(f"{self.name} did not answer within {timeout_s:.0f} s")
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise BenchmarkError(f"{self.name} ended early") from error
        if isinstance(answer, Exception):
            raise BenchmarkError(f"{self.name} failed: {answer}") from answer
        return answer

    def end(self) -> None:
        """Ask the worker to end; kill it after a timeout."""
        self._connection.close()
        self._process.join(_END_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def ended_within(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for the end of a program, at most so long; return whether it has ended."""
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def wait_for_count(count: Callable[[], int], expected: int, worker: WorkerProcess) -> None:
    """Wait until a count reaches a value, or has not risen for `COUNT_STILL_S`; `worker` sends nothing."""
    last, since = -1, time.monotonic()
    while (now := count()) < expected:
        if now > last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > COUNT_STILL_S:
            return
        worker.has_answer(_COUNT_INTERVAL_S)  # only waits


def _run(work: WorkerFunction, connection: Connection, options: object) -> None:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(WorkerChannel(connection), options))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass
    except Exception as error:
        connection.send(BenchmarkError(f"{type(error).__name__}: {error}"))
