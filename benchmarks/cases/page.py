"""The case `page`: weights of the built pages, their load over a slow line, and one in a storm of values."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import psutil

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.load_generator import LoadOptions, generate_load
from benchmarks.measure.bench_system import HOST, BenchSystem
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.processes import UsageMeter, measure_usage
from benchmarks.measure.worker_process import BenchmarkError, WorkerProcess
from benchmarks.pages.page_load import BITS_A_SECOND, LATENCY_MS, PAGES, Reached, measure_load
from benchmarks.pages.page_storm import PageStorm, StormSample, growth_mb
from benchmarks.report.results import CHECKOUT, write_results
from tests.e2e.page.browser import Chromium, running_chromium

ENTITIES = 5_000
RATE = 500
MINUTES = 10.0
QUICK_MINUTES = 0.5
CONNECTIONS = 4

GROWTH_MB_MAX = 5.0
"""More than the heap of a page may grow during the storm: the values are a bounded number of entities."""

STATIC = CHECKOUT / "api" / "static"

_START_TIMEOUT_S = 150.0
_SUFFIXES = {".br": "brotli", ".gz": "gzip"}


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1, 24 * 60), default=MINUTES, show_default=True)
@click.option(
    "--entities",
    type=click.IntRange(20, 100_000),
    default=ENTITIES,
    show_default=True,
    help="Entities of the city, with a value each.",
)
@click.option(
    "--rate", type=click.IntRange(1, 20_000), default=RATE, show_default=True, help="Values a second."
)
@click.option("--quick", is_flag=True, help=f"A storm of {QUICK_MINUTES} minutes only.")
def page(*, minutes: float, entities: int, rate: int, quick: bool) -> None:
    """Weigh the pages, load them over a slow line, and keep one open in a storm; print and store it."""
    if entities % CONNECTIONS:
        raise click.UsageError(f"{entities} entities over {CONNECTIONS} connections: expected a multiple")
    weights = dict(file_weights(STATIC))
    if not weights:
        raise BenchmarkError(f"no page is built in {STATIC}; run `make setup`")
    total = {kind: sum(one[kind] for one in weights.values()) for kind in ("plain", "sent")}
    print(f"built files: {len(weights)}, {total['plain']:,} bytes, as sent {total['sent']:,}")
    city = BenchCity(datastreams=entities, each=1)
    loads: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with BenchSystem(options=["--simulate"]) as system, running_chromium() as chromium:
        loads["Alkmaar"] = _measure_loads(chromium, f"http://{HOST}:{system.ports['http']}", "Alkmaar")
    with BenchSystem(city=city.model()) as system, running_chromium() as chromium:
        base = f"http://{HOST}:{system.ports['http']}"
        loads[f"{entities:,} entities"] = _measure_loads(chromium, base, f"{entities:,} entities")
        seconds = (QUICK_MINUTES if quick else minutes) * 60
        samples, usage, late = _storm(system, chromium, city, base, rate=rate, seconds=seconds)
        machine = describe_machine(system.data_dir)
    grown = growth_mb(samples)
    slowest = min(one.frames_a_second for one in samples)
    longest = max(one.longest_frame_ms for one in samples)
    used = usage["browser"]
    print(f"{entities:,} entities, {rate} values a second, {seconds / 60:g} minutes:")
    print(f"  at least {slowest} frames a second, the longest {longest} ms")
    print(f"  the browser: {used['cores']} cores, {used['memoryBytesMax'] / 1e6:.0f} MB")
    print(f"  heap of scripts: {samples[-1].heap_mb} MB, grown by {grown} MB")
    print(f"  elements: {samples[0].elements:,} at first, {samples[-1].elements:,} at last")
    write_results(
        "page",
        {
            "machine": machine,
            "files": weights,
            "line": {"bitsASecond": BITS_A_SECOND, "latencyMs": LATENCY_MS},
            "loads": loads,
            "storm": {
                "entities": entities,
                "rate": rate,
                "seconds": seconds,
                "samples": [one._asdict() for one in samples],
                "usage": usage,
                "generatorLateS": late,
                "heapGrowthMb": grown,
            },
        },
    )
    if grown > GROWTH_MB_MAX:
        print(f"the heap grew by {grown} MB, at most {GROWTH_MB_MAX} are expected", file=sys.stderr)
        sys.exit(1)


def file_weights(folder: Path) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Yield each built file with its bytes: as it is, and as it is sent to a browser that takes Brotli."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in _SUFFIXES:
            continue
        plain = path.stat().st_size
        copy = path.with_name(f"{path.name}.br")
        sent = copy.stat().st_size if copy.is_file() else plain
        yield path.relative_to(folder).as_posix(), {"plain": plain, "sent": sent}


def _measure_loads(chromium: Chromium, base: str, city: str) -> dict[str, list[dict[str, Any]]]:
    """Load each page of a city over the slow line and print when it showed what."""
    loads = {name: [_members(one) for one in measure_load(chromium, base, name)] for name in PAGES}
    print(f"{city}, over a line of {BITS_A_SECOND / 1e6} Mbit/s and {LATENCY_MS} ms:")
    for name, reached in loads.items():
        steps = ", ".join(
            f"{one['what']} after {one['afterS']} s and {one['sentBytes']:,} bytes" for one in reached
        )
        print(f"  {name}: {steps}")
    return loads


def _storm(
    system: BenchSystem, chromium: Chromium, city: BenchCity, base: str, *, rate: int, seconds: float
) -> tuple[list[StormSample], dict[str, Any], float]:
    """Return samples of the page, what browser and generator used, and how late the generator was."""
    load = WorkerProcess(
        "load generator",
        generate_load,
        LoadOptions(
            traffic=city.traffic,
            host=HOST,
            port=system.ports["mqtt"],
            rate=rate,
            messages=int(rate * seconds),
            connections=CONNECTIONS,
        ),
    )
    try:
        load.answer(_START_TIMEOUT_S)
        with chromium.opened(base) as opened:
            opened.wait_until_live()
            storm, samples = PageStorm(opened), list[StormSample]()
            load.send("go")
            groups = {"browser": _browser_pids(), "generator": [load.pid]}

            def sample(meter: UsageMeter) -> None:
                def is_over(wait_s: float) -> bool:
                    meter.sample()
                    return load.has_answer(wait_s)

                samples.extend(storm.run(is_over))

            usage, _, lasted_s = measure_usage(groups, sample)
        result = load.answer(_START_TIMEOUT_S)
    finally:
        load.end()
    if not samples:
        raise BenchmarkError("the storm was over before the first sample")
    used = {
        name: {"cores": round(one.cpu_s / lasted_s, 3), "memoryBytesMax": one.memory_bytes_max}
        for name, one in usage.items()
    }
    return samples, used, round(float(result.late_us.max()) / 1e6, 3)


def _browser_pids() -> list[int]:
    """Return the processes of the browser that this process has started."""
    return [one.pid for one in psutil.Process().children(recursive=True) if "chrom" in one.name()]


def _members(reached: Reached) -> dict[str, Any]:
    return {"what": reached.what, "afterS": reached.after_s, "sentBytes": reached.sent_bytes}
