"""The raw limits of the machine without LiveTwin, for comparison with the system.

`mosquitto_sub` receives the same messages from the same broker and writes their payloads to a file. A binary
COPY writes the same rows, prepared, into the same table, over one connection, five thousand in a transaction.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg

from benchmarks.load.backlog import Backlog
from benchmarks.load.bench_city import BenchCity
from benchmarks.load.load_generator import FLAT_OUT, PUBACK_TIMEOUT_S, LoadOptions, LoadResult, generate_load
from benchmarks.load.observation_rows import COPY_OBSERVATIONS, binary_copy
from benchmarks.load.packets import Packets
from benchmarks.measure.bare_services import bare_broker, bare_database, in_own_loop
from benchmarks.measure.bench_system import HOST
from benchmarks.measure.processes import ProcessUsage, UsageMeter, measure_usage
from benchmarks.measure.worker_process import BenchmarkError, WorkerProcess
from runtime.clock import system_clock

CONNECTIONS = 4
READY_TIMEOUT_S = 60.0
SECONDS_MAX = 60.0

UNDER_WAY_MAX = 10_000
"""Greatest number of messages not yet received: a long queue slows the broker down."""

ROWS_A_COPY = 5_000

_INTERVAL_US = 40  #: between two rows: 25,000 a second

_INTERVAL_S = 0.002
# Longer than the output buffer of the subscriber, so that it is on disk as soon as it is received.
_MARKER = "subscribed" * 1_000
_LINE_END_BYTES = 1
_OUTPUT_BLOCK_BYTES = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLimit:
    """The rate that was reached, and its cost."""

    rate: float  #: messages or rows a second
    cpu_s: dict[str, float]  #: processor seconds of each process for 1,000 of them


def generator_limit(city: BenchCity, messages: int, rate: float = FLAT_OUT) -> RawLimit:
    """Send to a broker without subscribers. Raises BenchmarkError when that fails."""
    with in_own_loop(bare_broker()) as broker, _load(city, broker.port, messages, rate) as load:
        return _limited(load, {"mosquitto": broker.pids}, messages, lambda: messages)


def subscriber_limit(city: BenchCity, messages: int) -> RawLimit:
    """Let mosquitto_sub receive all messages. Raises BenchmarkError when that fails."""
    line_bytes = Packets(city.traffic).payload_bytes + _LINE_END_BYTES
    pack = city.pack
    backlog = Backlog(undelivered_max=UNDER_WAY_MAX * pack, unstored_max=messages * pack)
    received = 0
    with in_own_loop(bare_broker()) as broker, tempfile.NamedTemporaryFile() as output:
        where = ["-h", HOST, "-p", str(broker.port), "-q", "1"]
        marker = ["-r", "-t", "livetwin/subscribed", "-m", _MARKER]
        subprocess.run(["mosquitto_pub", *where, *marker], check=True)
        command = ["mosquitto_sub", *where, "-t", "livetwin/#"]
        with (
            subprocess.Popen(command, stdout=output) as subscriber,
            _load(city, broker.port, messages, FLAT_OUT, backlog) as load,
        ):

            def received_count() -> int:
                payload_bytes = Path(output.name).stat().st_size - len(_MARKER) - _LINE_END_BYTES
                nonlocal received
                received = max(0, payload_bytes // line_bytes)
                backlog.delivered.value = received * pack
                # The rest of a block is written when the program ends: a few dozen messages.
                return received + _OUTPUT_BLOCK_BYTES // line_bytes + 1

            groups = {"mosquitto": broker.pids, "mosquitto_sub": [subscriber.pid]}
            try:
                _until(lambda: Path(output.name).stat().st_size >= len(_MARKER), load, "no subscription")
                limit = _limited(load, groups, messages, received_count)
            finally:
                subscriber.terminate()
            subscriber.wait()
            received_count()
    if received < messages:
        raise BenchmarkError(f"mosquitto_sub received {received} of {messages} messages")
    return limit


def copy_limit(city: BenchCity, rows: int) -> RawLimit:
    """Put rows into the table `observation` of an empty database."""
    batches = list(_copy_data(city, rows, ROWS_A_COPY))
    with (
        in_own_loop(bare_database()) as cluster,
        psycopg.connect(cluster.dsn(), autocommit=True) as connection,
    ):
        pids = {"postgres": [connection.info.backend_pid]}

        def copy(_: UsageMeter) -> None:
            for batch in batches:
                with connection.cursor() as cursor, cursor.copy(COPY_OBSERVATIONS) as into:
                    into.write(batch)

        usage, _, seconds = measure_usage(pids, copy)
    return _limit(rows, seconds, usage)


@contextmanager
def _load(
    city: BenchCity, port: int, messages: int, rate: float, backlog: Backlog | None = None
) -> Iterator[WorkerProcess]:
    options = LoadOptions(
        traffic=city.traffic,
        host=HOST,
        port=port,
        rate=rate,
        messages=messages,
        connections=CONNECTIONS,
        seconds_max=SECONDS_MAX,
        backlog=backlog,
    )
    load = WorkerProcess("load generator", generate_load, options)
    try:
        load.answer(READY_TIMEOUT_S)
        yield load
    finally:
        load.end()


def _limited(
    load: WorkerProcess, groups: Mapping[str, Sequence[int]], messages: int, received: Callable[[], int]
) -> RawLimit:
    """Send all messages until `received` counts all; return the rate and the cost."""

    def send(_: UsageMeter) -> None:
        load.send("go")
        deadline = time.monotonic() + SECONDS_MAX + PUBACK_TIMEOUT_S
        while received() < messages or not load.has_answer(0):
            load.has_answer(_INTERVAL_S)
            if time.monotonic() > deadline:
                raise BenchmarkError("the load generator does not end")

    usage, _, seconds = measure_usage({**groups, load.name: [load.pid]}, send)
    sent: LoadResult = load.answer(0)
    if not sent.acknowledged.all():
        raise BenchmarkError(f"{messages - int(sent.acknowledged.sum())} messages were not acknowledged")
    return _limit(messages, seconds, usage)


def _until(holds: Callable[[], bool], silent: WorkerProcess, what: str) -> None:
    """Wait for a condition; `silent` is a worker that sends nothing. Raises BenchmarkError."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not holds():
        if time.monotonic() > deadline:
            raise BenchmarkError(what)
        silent.has_answer(_INTERVAL_S)


def _limit(count: int, seconds: float, usage: Mapping[str, ProcessUsage]) -> RawLimit:
    return RawLimit(
        rate=round(count / seconds, 1),
        cpu_s={name: round(one.cpu_s * 1000 / count, 5) for name, one in usage.items()},
    )


def _copy_data(city: BenchCity, rows: int, each: int) -> Iterator[bytes]:
    """Yield so many rows, `each` in one COPY, as if the datastreams of the city had sent them until now."""
    start = system_clock() - rows * _INTERVAL_US
    for begin in range(0, rows, each):
        numbers = np.arange(begin, min(begin + each, rows), dtype=np.int64)
        times = start + numbers * _INTERVAL_US
        yield binary_copy(numbers % city.datastreams + 1, times, times + 1_000, city.tenths_of(numbers) / 10)
