"""The case `bulk`: the download of millions of observations through a running api, and what it costs the api.

The observations are written to the database as the historian stores them. The download is written to a file,
as a researcher does, and DuckDB counts its rows. Peak memory is the kernel's figure of the api's process.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import click
import numpy as np

from api.bulk.media_types import CSV, EXTENSIONS, PARQUET
from benchmarks.load.observation_rows import COPY_OBSERVATIONS, binary_copy
from benchmarks.measure.bench_system import HOST, BenchSystem
from benchmarks.measure.machine import describe_machine
from benchmarks.measure.processes import UsageMeter
from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.results import write_results
from cities.folder_writer import write_city
from runtime.clock import system_clock
from storage.database import connect
from tests.support.cities.city_builder import CityBuilder
from twin.instant import HOUR, MINUTE, SECOND, Instant, format_instant
from twin.model.city_model import CityModel

SCHEMA = 1

CITY = "bulk"
PROPERTIES = ("air_temperature", "relative_humidity", "noise_level", "pm2_5", "no2")
ENTITIES = 200
INTERVAL = MINUTE
ROWS = 10_000_000

_COPY_MINUTES = 500
_PIECE_BYTES = 256 * 1024
_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadCost:
    """What one download took."""

    media_type: str
    rows: int  #: stored
    rows_read: int  #: by DuckDB from the file
    bytes: int
    seconds: float
    first_byte_s: float
    api_memory_before_bytes: int
    api_memory_peak_bytes: int
    api_cpu_s: float
    postgres_cpu_s: float


def bulk_city() -> CityModel:
    """Return the city model; applying it replaces the ids of datastreams."""
    builder = CityBuilder(CITY, "Bulk").entity(CITY, "Municipality", "Bulk")
    for number in range(ENTITIES):
        id = f"{CITY}.site-{number:03}"
        builder.entity(id, "MonitoringSite", parent=CITY)
        builder.sensor(f"site-{number:03}", id, *PROPERTIES, interval=INTERVAL)
    return builder.model(version=0)


async def fill(dsn: str, end: Instant, rows: int) -> int:
    """Store observations of every datastream before `end`, one a minute; return their number."""
    dice = np.random.default_rng(1)
    async with await connect(dsn, role="benchmark") as connection:
        found = await (await connection.execute("SELECT id FROM datastream ORDER BY id")).fetchall()
        ids = np.array([id for (id,) in found], np.int64)
        minutes = max(1, rows // len(ids))
        for first in range(0, minutes, _COPY_MINUTES):
            numbers = np.arange(first, min(minutes, first + _COPY_MINUTES))
            times = np.repeat(end - (minutes - numbers) * INTERVAL, len(ids))
            # Sensors do not report in step.
            times += np.tile(ids % 60 * SECOND, len(numbers))
            values = dice.normal(15.0, 5.0, len(times)).round(1)
            data = binary_copy(np.tile(ids, len(numbers)), times, times + 2 * SECOND, values)
            async with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(COPY_OBSERVATIONS) as copy,
            ):
                await copy.write(data)
        await connection.commit()
        await connection.set_autocommit(True)
        await connection.execute("VACUUM (ANALYZE)")
    return minutes * len(ids)


def measure_download(
    system: BenchSystem, media_type: str, path: str, rows: int, folder: Path
) -> DownloadCost:
    """Download to a file; return what it took. Raises BenchmarkError when it is refused, or not whole."""
    meter = UsageMeter({name: system.pids[name] for name in ("api", "postgres")})
    (api,) = system.pids["api"]
    before = _memory_of(api, "VmRSS")
    # The kernel's peak counts from now on.
    Path(f"/proc/{api}/clear_refs").write_text("5")
    file = folder / f"rows.{EXTENSIONS[media_type]}"
    meter.start()
    began = time.perf_counter()
    connection = HTTPConnection(HOST, system.ports["http"], timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"Accept": media_type})
        response = connection.getresponse()
        first_byte_s = time.perf_counter() - began
        if response.status != 200:
            raise BenchmarkError(f"{path}: {response.status} {response.read().decode()}")
        with file.open("wb") as written:
            while piece := response.read(_PIECE_BYTES):
                written.write(piece)
    finally:
        connection.close()
    seconds = time.perf_counter() - began
    usage, _ = meter.stop()
    return DownloadCost(
        media_type=media_type,
        rows=rows,
        rows_read=rows_in(file, media_type),
        bytes=file.stat().st_size,
        seconds=round(seconds, 2),
        first_byte_s=round(first_byte_s, 3),
        api_memory_before_bytes=before,
        api_memory_peak_bytes=_memory_of(api, "VmHWM"),
        api_cpu_s=round(usage["api"].cpu_s, 2),
        postgres_cpu_s=round(usage["postgres"].cpu_s, 2),
    )


def rows_in(file: Path, media_type: str) -> int:
    """Return the number of rows that DuckDB reads in a file."""
    import duckdb  # noqa: PLC0415 - only this case needs it

    read = duckdb.read_csv if media_type == CSV else duckdb.read_parquet
    return int(read(str(file)).aggregate("count(*)").fetchall()[0][0])


def _memory_of(pid: int, name: str) -> int:
    """Return a figure of memory of a process: VmRSS now, VmHWM its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def lines(found: list[DownloadCost]) -> Iterator[str]:
    """Yield the report, line by line."""
    for cost in found:
        yield (
            f"{EXTENSIONS[cost.media_type]:<8}{cost.rows_read:>12,} of {cost.rows:,} rows, "
            f"{cost.bytes / 1e6:,.0f} MB in {cost.seconds:.1f} s ({cost.rows / cost.seconds:,.0f} rows/s); "
            f"api: peak {cost.api_memory_peak_bytes / 1e6:.0f} MB (before "
            f"{cost.api_memory_before_bytes / 1e6:.0f} MB), CPU {cost.api_cpu_s:.1f} s; "
            f"database: CPU {cost.postgres_cpu_s:.1f} s"
        )


@click.command()
@click.option("--rows", default=ROWS, show_default=True, help="Observations to store and to download.")
@click.option("--csv", "with_csv", is_flag=True, help="Download them as CSV, too.")
def bulk(*, rows: int, with_csv: bool) -> None:
    """Download ten million observations as Parquet; print time, memory of the api, and rows read back."""
    with tempfile.TemporaryDirectory(prefix="livetwin-bulk-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_city(bulk_city(), folder / "city")
        with BenchSystem(options=[f"--city={folder}/city", "--no-simulate"]) as system:
            machine = describe_machine(system.data_dir)
            end = system_clock() // HOUR * HOUR
            stored = asyncio.run(fill(str(system.ports["database"]), end, rows))
            start = end - (stored // (ENTITIES * len(PROPERTIES)) + 1) * INTERVAL
            path = f"/v1/observations?start={format_instant(start)}&end={format_instant(end + HOUR)}"
            types = (PARQUET, CSV) if with_csv else (PARQUET,)
            found = [measure_download(system, each, path, stored, folder) for each in types]
    for line in lines(found):
        print(line)
    document: dict[str, Any] = {"schema": SCHEMA, "machine": machine}
    write_results("bulk", {**document, "downloads": [asdict(cost) for cost in found]})
    if any(cost.rows_read != cost.rows for cost in found):
        raise BenchmarkError("the file does not have all rows that are stored")
