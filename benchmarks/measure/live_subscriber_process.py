"""A process that follows everything, its output, and its cursor; it can be killed, and go on."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from benchmarks.load.live_subscriber import Event
from benchmarks.measure.worker_process import BenchmarkError, ended_within
from benchmarks.report.results import CHECKOUT

Command = Callable[[str, str], list[str]]
"""The arguments of a subscriber, by the URL of a replica and a cursor."""

PROGRESS_S_MAX = 60.0
POLL_S = 0.005

_TAIL_BYTES = 8 << 20


class Batch(msgspec.Struct, frozen=True):
    """A line of output: some events, and the cursor after them."""

    cursor: str
    events: tuple[Event, ...]


class DurableBatch(msgspec.Struct, frozen=True):
    """A line of the reader of the Durable Stream."""

    offset: str
    items: tuple[Event, ...]

    @property
    def cursor(self) -> str:
        """The offset."""
        return self.offset

    @property
    def events(self) -> tuple[Event, ...]:
        """The messages."""
        return self.items


class LiveSubscriberProcess:
    """The process; the next one goes on after the last line that the one before has written whole.

    `begin` is where the first one begins: "" for a snapshot.
    """

    def __init__(
        self, command: Command, file: Path, begin: str = "", batch: type[Batch | DurableBatch] = Batch
    ) -> None:
        self._command = command
        self._file = file
        self._begin = begin
        self._decode = msgspec.json.Decoder(batch).decode
        self._process: subprocess.Popen[bytes] | None = None
        self._size_at_start = 0
        file.touch()

    @property
    def size(self) -> int:
        """Bytes of the output."""
        return self._file.stat().st_size

    def start(self, url: str) -> None:
        """Start a process at a replica."""
        self._size_at_start = self.size
        with self._file.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "--", *self._command(url, self._last_cursor())],
                cwd=CHECKOUT,
                env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'clients/python'}"},
                stdout=output,
            )

    def kill(self) -> None:
        """Kill the process, and cut off a line that it had not finished."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        unfinished = self._tail().rpartition(b"\n")[2]
        os.truncate(self._file, self.size - len(unfinished))

    def wait_for_output(self) -> None:
        """Wait until this process has written something. Raises BenchmarkError."""
        self._wait_for(lambda: self.size > self._size_at_start)

    def wait_for_snapshot(self) -> None:
        """Wait until the snapshot at the beginning, if there is one, is whole. Raises BenchmarkError."""
        self._wait_for(lambda: bool(self._begin) or any(_ends_snapshot(event) for event in self._events()))

    def events_of_entities(self) -> tuple[dict[str, list[bytes]], int]:
        """Return the events of each entity after the snapshot, and the number of gaps."""
        found: defaultdict[str, list[bytes]] = defaultdict(list)
        gaps = 0
        is_after = bool(self._begin)
        for event in self._events():
            if event.event == "gap":
                gaps += 1
            elif is_after:
                entity = json.loads(bytes(event.data))["entityId"]
                found[entity].append(event.event.encode() + b" " + bytes(event.data))
            else:
                is_after = _ends_snapshot(event)
        return dict(found), gaps

    def _wait_for(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PROGRESS_S_MAX
        while not done():
            assert self._process is not None
            if ended_within(self._process, POLL_S):
                raise BenchmarkError(f"the subscriber of {self._file.stem} ended by itself, see above")
            if time.monotonic() > deadline:
                raise BenchmarkError(
                    f"the subscriber of {self._file.stem} got nothing in {PROGRESS_S_MAX:.0f} s"
                )

    def _events(self) -> Iterator[Event]:
        with self._file.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    yield from self._decode(line).events

    def _last_cursor(self) -> str:
        lines = self._tail().splitlines()
        return self._decode(lines[-1]).cursor if lines else self._begin

    def _tail(self) -> bytes:
        with self._file.open("rb") as file:
            file.seek(max(0, self.size - _TAIL_BYTES))
            return file.read()


def _ends_snapshot(event: Event) -> bool:
    return event.event == "snapshot" and bool(json.loads(bytes(event.data)).get("complete"))
