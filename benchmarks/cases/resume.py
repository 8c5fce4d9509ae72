"""The case `resume`: subscribers that are killed go on from their cursors, at either of two replicas.

Each surface has two subscribers, processes of their own: one stays, the other one is killed (SIGKILL) again
and again while messages come at a steady rate. At the end both must have the same events: those of each
entity, in their order, byte for byte. (Replicas read partitions in an order of their own.) Ids of events are
not compared, since a cursor also says until when ageing was sent. A program keeps its cursor with the events
that it has written, as one that stores both in one transaction.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random

import click
import httpx

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.live_subscriber import SURFACES
from benchmarks.load.load_generator import LoadOptions, LoadResult, generate_load
from benchmarks.measure.bench_system import HOST, BenchSystem
from benchmarks.measure.live_subscriber_process import (
    POLL_S,
    PROGRESS_S_MAX,
    Batch,
    Command,
    DurableBatch,
    LiveSubscriberProcess,
)
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.worker_process import BenchmarkError, WorkerProcess, ended_within
from benchmarks.report.results import CHECKOUT, write_results
from cli.embedded.ports import free_port

RATE = 1_000
KILLS = 100
SECONDS_MAX = 1_800
"""So many seconds of load are prepared; it is stopped after the last kill."""

CITY = BenchCity(datastreams=400)
CONNECTIONS = 4

TYPESCRIPT_CLIENT, DURABLE_STREAM = "typescript-client", "durable-stream"
ALL_SURFACES = (*SURFACES, TYPESCRIPT_CLIENT, DURABLE_STREAM)

_LIFE_S_MAX = 0.6
"""A subscriber is killed within so long after it has gone on, at a random time."""

_STILL_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """The result of one surface."""

    surface: str
    kills: int
    rate: float  #: messages a second, of those that were acknowledged
    events: int  #: of the subscriber that stayed
    events_resumed: int  #: of the other one
    entities: int
    differ: tuple[str, ...]  #: entities whose events are not the same
    gaps: int  #: events that say that others are missing
    restart_ms: float  #: median time from a kill until the next process has written events


def commands(typescript_client: Path) -> dict[str, Command]:
    """Return the command of each surface."""
    program = CHECKOUT / "benchmarks/load/live_subscriber.mjs"
    return {
        **{surface: partial(_python_command, surface) for surface in SURFACES},
        TYPESCRIPT_CLIENT: lambda url, cursor: ["node", str(program), str(typescript_client), url, cursor],
        DURABLE_STREAM: _durable_stream_command,
    }


def _python_command(surface: str, url: str, cursor: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.load.live_subscriber", surface, url, cursor]


def _durable_stream_command(url: str, offset: str) -> list[str]:
    reader = CHECKOUT / "tests/durable_streams/reader.mjs"
    return ["node", str(reader), f"{url}/v1/streams/live", offset, "long-poll"]


def compile_typescript_client(folder: Path) -> Path:
    """Compile the client into a folder; return its index. Raises BenchmarkError."""
    compiler = CHECKOUT / "web/node_modules/typescript/bin/tsc"
    project = CHECKOUT / "clients/typescript"
    command = ["node", str(compiler), "--project", str(project), "--outDir", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BenchmarkError(f"the TypeScript client does not compile: {run.stdout}{run.stderr}")
    (folder / "package.json").write_text('{"type": "module"}')
    return folder / "index.js"


@contextmanager
def second_replica(system: BenchSystem) -> Iterator[str]:
    """Run another api with the settings of the first one; yield its URL. Raises BenchmarkError."""
    (first,) = system.pids["api"]
    pairs = (pair.partition("=") for pair in Path(f"/proc/{first}/environ").read_text().split("\0") if pair)
    environment = {name: value for name, _, value in pairs if name != "NOTIFY_SOCKET"}
    port, log = free_port(), system.folder / "second-api.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=TERM", "--", sys.executable, "-m", "cli", "api"],
            cwd=CHECKOUT,
            env={**environment, "LIVETWIN_PORT": str(port), "LIVETWIN_METRICS_PORT": "0"},
            stdout=output,
            stderr=output,
        )
    url = f"http://{HOST}:{port}"
    try:
        deadline = time.monotonic() + PROGRESS_S_MAX
        while not _is_ready(url):
            if ended_within(process, 0.1) or time.monotonic() > deadline:
                raise BenchmarkError(f"the second api is not ready: {log.read_text()}")
        yield url
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def subscribers(
    surface: str, command: Command, folder: Path, url: str
) -> tuple[LiveSubscriberProcess, LiveSubscriberProcess]:
    """Return two subscribers that begin at the same place."""
    begin = ""
    if surface == DURABLE_STREAM:
        begin = httpx.head(f"{url}/v1/streams/live").raise_for_status().headers["Stream-Next-Offset"]
    stayed, resumed = (
        LiveSubscriberProcess(
            command,
            folder / f"{surface}-{name}.jsonl",
            begin,
            DurableBatch if surface == DURABLE_STREAM else Batch,
        )
        for name in ("stayed", "resumed")
    )
    return stayed, resumed


def measure_surface(
    surface: str,
    command: Command,
    system: BenchSystem,
    urls: Sequence[str],
    *,
    kills: int,
    rate: int,
    dice: Random,
) -> Resumption:
    """Kill one of two subscribers under load; return what both have got. Raises BenchmarkError."""
    stayed, resumed = subscribers(surface, command, system.folder, urls[0])
    restarts: list[float] = []
    with ExitStack() as stack:
        for subscriber in (stayed, resumed):
            stack.callback(subscriber.kill)
            subscriber.start(urls[0])
        for subscriber in (stayed, resumed):
            subscriber.wait_for_snapshot()
        load = WorkerProcess("load generator", generate_load, _load_options(system, rate))
        stack.callback(load.end)
        load.answer(PROGRESS_S_MAX)
        load.send("go")
        for _ in range(kills):
            load.has_answer(dice.uniform(0.0, _LIFE_S_MAX))  # only waits
            resumed.kill()
            killed = time.monotonic()
            resumed.start(dice.choice(urls))
            resumed.wait_for_output()
            restarts.append(time.monotonic() - killed)
        load.send("stop")
        sent: LoadResult = load.answer(PROGRESS_S_MAX)
        _wait_until_still((stayed, resumed), load)
    expected, gaps = stayed.events_of_entities()
    found, gaps_resumed = resumed.events_of_entities()
    return Resumption(
        surface=surface,
        kills=kills,
        rate=round(int(sent.acknowledged.sum()) / sent.acknowledging_s, 1),
        events=sum(map(len, expected.values())),
        events_resumed=sum(map(len, found.values())),
        entities=len(expected),
        differ=differences(expected, found),
        gaps=gaps + gaps_resumed,
        restart_ms=round(sorted(restarts)[len(restarts) // 2] * 1e3, 1),
    )


def differences(one: Mapping[str, list[bytes]], other: Mapping[str, list[bytes]]) -> tuple[str, ...]:
    """Return the entities whose events are not the same, or not in the same order."""
    return tuple(sorted(id for id in one.keys() | other.keys() if one.get(id) != other.get(id)))


def _load_options(system: BenchSystem, rate: int) -> LoadOptions:
    return LoadOptions(
        traffic=CITY.traffic,
        host=HOST,
        port=system.ports["mqtt"],
        rate=rate,
        messages=rate * SECONDS_MAX,
        connections=CONNECTIONS,
    )


def _wait_until_still(found: Sequence[LiveSubscriberProcess], load: WorkerProcess) -> None:
    """Wait until no subscriber has got anything for a while: the load has ended."""
    last, since = [0], time.monotonic()
    while time.monotonic() - since < _STILL_S:
        sizes = [one.size for one in found]
        if sizes != last:
            last, since = sizes, time.monotonic()
        load.has_answer(POLL_S)  # only waits


def line(one: Resumption) -> str:
    """Return the report of a surface."""
    verdict = f"{len(one.differ)} DIFFER: {', '.join(one.differ[:5])}" if one.differ else "all the same"
    return (
        f"{one.surface:<18}{one.kills} kills, {one.rate:,.0f} messages/s: {one.events:,} events, resumed "
        f"{one.events_resumed:,}; {one.entities} entities, {verdict}; {one.gaps} gaps; "
        f"on again after {one.restart_ms:,.0f} ms"
    )


@click.command()
@click.option("--kills", default=KILLS, show_default=True, help="Kills of each surface's subscriber.")
@click.option("--rate", default=RATE, show_default=True, help="Messages a second.")
@click.option("--seed", default=1, show_default=True, help="Of the times of the kills, and the replicas.")
@click.option("--only", type=click.Choice(ALL_SURFACES), multiple=True, help="Measure these surfaces only.")
def resume(*, kills: int, rate: int, seed: int, only: tuple[str, ...]) -> None:
    """Kill subscribers under load, two replicas; fail when one that goes on gets other events."""
    found: list[Resumption] = []
    with ExitStack() as stack:
        client = stack.enter_context(tempfile.TemporaryDirectory(prefix="livetwin-client-"))
        command = commands(compile_typescript_client(Path(client)))
        system = stack.enter_context(BenchSystem(city=CITY.model()))
        machine = describe_machine(system.data_dir)
        urls = (f"http://{HOST}:{system.ports['http']}", stack.enter_context(second_replica(system)))
        for surface in only or ALL_SURFACES:
            dice = Random(f"{seed}/{surface}")
            found.append(
                measure_surface(surface, command[surface], system, urls, kills=kills, rate=rate, dice=dice)
            )
            print(line(found[-1]), flush=True)
    write_results("resume", {"seed": seed, "machine": machine, "surfaces": [asdict(one) for one in found]})
    if any(one.differ or one.gaps or not one.events for one in found):
        sys.exit(1)
