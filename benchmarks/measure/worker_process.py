"""A part of the benchmark that runs in a process of its own, so that its processor time is told apart.

Both sides talk over a pipe: the parent sends words, the companion answers. A companion whose parent is gone
ends; one that fails sends its error.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any

import uvloop

_END_TIMEOUT_S = 10.0


class BenchmarkError(Exception):
    """The benchmark could not measure; says nothing about the system's loss."""


class WorkerChannel:
    """The companion's end of the pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, answer: object) -> None:
        """Send something to the parent."""
        self._connection.send(answer)

    async def receive(self) -> str:
        """Return the parent's next word; raises EOFError when the parent is gone."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        loop.add_reader(self._connection.fileno(), arrived.set)
        try:
            if not self._connection.poll():
                await arrived.wait()
        finally:
            loop.remove_reader(self._connection.fileno())
            # uvloop's reader has made it non-blocking, which a large answer does not survive.
            os.set_blocking(self._connection.fileno(), True)
        return self.receive_blocking()

    def receive_blocking(self) -> str:
        """Return the word that has come, or wait for it; raises EOFError when the parent is gone."""
        return str(self._connection.recv())

    def fileno(self) -> int:
        """Return what is readable once there is a word, for `select`."""
        return self._connection.fileno()


WorkerFunction = Callable[..., Coroutine[Any, Any, None]]
"""What a companion does: called with its Channel and the options that it was started with."""


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

    def send(self, word: str) -> None:
        """Send a word."""
        self._connection.send(word)

    def has_answer(self, timeout_s: float) -> bool:
        """Wait for an answer; tell whether there is one."""
        return self._connection.poll(timeout_s)

    def answer(self, timeout_s: float) -> Any:
        """Return the next answer. Raises BenchmarkError when it fails, ends or does not come in time."""
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
        """End it, politely and then by force."""
        self._connection.close()
        self._process.join(_END_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _run(work: WorkerFunction, connection: Connection, options: object) -> None:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work(WorkerChannel(connection), options))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass
    except Exception as error:
        connection.send(BenchmarkError(f"{type(error).__name__}: {error}"))
