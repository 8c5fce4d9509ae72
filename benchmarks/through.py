"""A load is put on the system, and what it does is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.load.backlog import Backlog
from benchmarks.load.load_generator import LATE_S_MAX, PUBACK_TIMEOUT_S, LoadResult
from benchmarks.measure.processes import UsageMeter
from benchmarks.measure.stored_rows import StoredRowsReader
from benchmarks.measure.worker_process import BenchmarkError, WorkerProcess
from twin.instant import Instant

SAMPLE_S = 0.5
SAMPLES_A_MEASUREMENT = 4
"""Memory is looked at less often: the kernel walks all pages for it."""

_DRAIN_LOOK_S = 0.1

# The rest is given up for lost when nothing more has come for so long.
DRAIN_STILL_S = 10.0


class EndToEndTimes(NamedTuple):
    """How it went."""

    sent: LoadResult
    delivered_after_s: float  #: from the last acknowledgement until all was told
    stored_after_s: float  #: from the last acknowledgement until all was stored


class EndToEndLoad:
    """Puts the load on the system and waits until it is through."""

    def __init__(
        self,
        load: WorkerProcess,
        archive: StoredRowsReader,
        backlog: Backlog,
        *,
        since: Instant,
        seconds: float,
        pack: int,
    ) -> None:
        self._load = load
        self._archive = archive
        self._backlog = backlog
        self._since = since
        self._seconds = seconds
        self._pack = pack
        self._stored_before = archive.inserted()

    def run(self, meter: UsageMeter) -> EndToEndTimes:
        """Send everything; return when it was told and stored, or nothing more comes."""
        sent = self._send(meter)
        acknowledged = time.monotonic()
        wanted = int(sent.acknowledged.sum()) * self._pack
        self._drain(lambda: int(self._backlog.delivered.value), wanted)
        told = time.monotonic()
        meter.sample()
        self._drain(lambda: self._archive.count(self._since), wanted)
        return EndToEndTimes(sent, round(told - acknowledged, 2), round(time.monotonic() - acknowledged, 2))

    def _send(self, meter: UsageMeter) -> LoadResult:
        deadline = time.monotonic() + self._seconds + LATE_S_MAX + PUBACK_TIMEOUT_S
        self._load.send("go")
        number = 0
        while not self._load.has_answer(SAMPLE_S):
            number += 1
            if number % SAMPLES_A_MEASUREMENT == 0:
                meter.sample()
            self._backlog.stored.value = self._archive.inserted() - self._stored_before
            if time.monotonic() > deadline:
                raise BenchmarkError("the load generator does not end")
        sent: LoadResult = self._load.answer(0)
        return sent

    def _drain(self, count: Callable[[], int], wanted: int) -> None:
        known, since = -1, time.monotonic()
        while (now := count()) < wanted:
            if now > known:
                known, since = now, time.monotonic()
            elif time.monotonic() - since > DRAIN_STILL_S:
                return
            self._load.has_answer(_DRAIN_LOOK_S)  # it says nothing more: this waits
