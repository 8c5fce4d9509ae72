"""`livetwin doctor`: check the installed programs, the city, and the running services and roles."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import psycopg

from cities import default_city
from cities.files.faults import CityError
from cities.folder_reader import read_city
from cli.embedded.mosquitto import find_mosquitto
from cli.embedded.ports import http_status
from cli.embedded.postgres import find_postgres_program, require_timescale
from cli.error_report import error_lines
from cli.process.procfs import is_alive
from cli.runner import read_settings
from cli.supervisor.options import DEFAULT_DATA_DIR
from cli.supervisor.ports_file import PORTS_FILE_NAME, read_ports_file
from ingest.settings import IngestSettings
from runtime.clock import system_clock
from runtime.kafka.consumer import log_identity
from storage.database import Connection, connect
from storage.stores.ledger import SessionInterruption, read_interruptions
from storage.stores.recomputes import RecomputeProgress, read_recomputes
from twin.errors import ServiceError, TwinError
from twin.instant import DAY, Duration, Instant, format_instant

PYTHON_MIN = (3, 11)
KAFKA_TIMEOUT_S = 5.0
RECOMPUTES_MAX = 100
INTERRUPTIONS_FOR: Duration = DAY
"""How long an interruption of the MQTT session is a fault: the senders may still have what is missing."""
MQTT_TIMEOUT_S = 5.0

T = TypeVar("T")

_PAGE = Path(__file__).parents[2] / "api" / "static" / "index.html"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """The result of one check; if it failed, `message` says what to do."""

    ok: bool
    message: str


@click.command("doctor")
@click.option("--city", type=click.Path(path_type=Path), help="City folder to validate; Alkmaar by default.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA_DIR,
    show_default=True,
    help="Data dir of the `livetwin up` to check.",
)
def command(*, city: Path | None, data_dir: Path) -> None:
    """Check what is installed, reachable and healthy, and say how to fix the rest.

    Checks the services of LIVETWIN_DATABASE, LIVETWIN_KAFKA and LIVETWIN_MQTT_HOST if one of these is set,
    else the embedded system.
    """
    # The findings below replace the log lines of client libraries.
    logging.disable(logging.CRITICAL)
    findings = [*check_installation(), *check_city(city or default_city())]
    if any(name in os.environ for name in ("LIVETWIN_DATABASE", "LIVETWIN_KAFKA", "LIVETWIN_MQTT_HOST")):
        findings += asyncio.run(check_configured_services())
    else:
        findings += asyncio.run(check_embedded_system(data_dir))
    for finding in findings:
        click.echo(_line(finding))
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


def _line(finding: DoctorFinding) -> str:
    mark = click.style("✓", fg="green") if finding.ok else click.style("✗", fg="red")
    return f"{mark} {finding.message}"


def check_installation() -> list[DoctorFinding]:
    """Check the programs that the embedded system needs."""
    return [
        DoctorFinding(
            sys.version_info >= PYTHON_MIN,
            f"Python {platform.python_version()} (expected 3.11 or later)",
        ),
        _check_program("PostgreSQL 17", lambda: find_postgres_program("postgres")),
        _check_program("TimescaleDB", require_timescale),
        _check_program("Mosquitto", find_mosquitto),
        DoctorFinding(
            shutil.which("setpriv") is not None,
            "setpriv" if shutil.which("setpriv") else "setpriv is missing: apt-get install util-linux",
        ),
        DoctorFinding(
            _PAGE.exists(), "the page is built" if _PAGE.exists() else "the page is not built: `make setup`"
        ),
    ]


def check_city(folder: Path) -> list[DoctorFinding]:
    """Check a city folder; return a finding for each fault."""
    try:
        plan = read_city(folder)
    except CityError as error:
        return [DoctorFinding(False, line) for line in error_lines(error)]
    return [DoctorFinding(True, f"city {plan.city.name} ({folder})")]


async def check_embedded_system(data_dir: Path) -> list[DoctorFinding]:
    """Check the processes and the API of the `livetwin up` of a data dir, by its ports file."""
    ports_file = data_dir / PORTS_FILE_NAME
    content = read_ports_file(ports_file) if ports_file.exists() else None
    if content is None or not is_alive(content["supervisor"]):
        return [DoctorFinding(True, f"no `livetwin up` is running in {data_dir}")]
    findings = [
        DoctorFinding(
            bool(pids) and all(is_alive(pid) for pid in pids),
            f"{name} is running" if pids else f"{name} is not running: see {data_dir / 'logs' / name}.log",
        )
        for name, pids in content["pids"].items()
    ]
    status = await http_status(content["http"], "/v1/health/ready")
    findings.append(DoctorFinding(status == 200, f"api on port {content['http']} answers {status}"))
    try:
        return [*findings, *await _check_history(content["database"])]
    except TwinError as error:
        return [*findings, DoctorFinding(False, str(error))]


async def check_configured_services() -> list[DoctorFinding]:
    """Check the database, Kafka and the MQTT broker of LIVETWIN_*."""
    settings = read_settings(IngestSettings)
    history: list[DoctorFinding] = []

    async def database() -> None:
        history.extend(await _check_history(settings.database.get_secret_value()))

    async def kafka() -> None:
        await log_identity(settings.kafka_access(), KAFKA_TIMEOUT_S)

    async def mqtt() -> None:
        async with asyncio.timeout(MQTT_TIMEOUT_S):
            access = settings.mqtt_access()
            _, writer = await asyncio.open_connection(access.host, access.port, ssl=access.tls)
            writer.close()

    mqtt_address = f"{settings.mqtt_host}:{settings.mqtt_port}"
    return [
        await _check_service("the database (LIVETWIN_DATABASE)", database()),
        *history,
        await _check_service(f"Kafka {settings.kafka} (LIVETWIN_KAFKA)", kafka()),
        await _check_service(f"MQTT {mqtt_address} (LIVETWIN_MQTT_HOST, LIVETWIN_MQTT_PORT)", mqtt()),
    ]


async def _check_history(dsn: str) -> list[DoctorFinding]:
    return [*await check_interruptions(dsn, system_clock()), *await check_recomputes(dsn)]


async def check_interruptions(dsn: str, now: Instant) -> list[DoctorFinding]:
    """Return a finding for each interruption of the MQTT session of ingest in the last day, newest first.

    Raises ServiceError when the database cannot be reached or has not the present schema.
    """
    found: list[SessionInterruption] = await _read(dsn, read_interruptions)
    return [
        DoctorFinding(False, f"MQTT session of ingest, {one.reason}: {one.detail}")
        for one in found
        if one.time > now - INTERRUPTIONS_FOR
    ]


async def check_recomputes(dsn: str) -> list[DoctorFinding]:
    """Return a finding for each change after which the history is still computed again, newest first.

    Raises ServiceError when the database cannot be reached or has not the present schema.
    """
    recomputes = await _read(dsn, lambda connection: read_recomputes(connection, RECOMPUTES_MAX))
    return [DoctorFinding(True, _recompute_line(one)) for one in recomputes if one.finished_at is None]


async def _read(dsn: str, read: Callable[[Connection], Awaitable[T]]) -> T:
    async with await connect(dsn, role="doctor") as connection:
        try:
            return await read(connection)
        except psycopg.ProgrammingError as error:
            raise ServiceError("the database lacks migrations; run `livetwin migrate`") from error


def _recompute_line(one: RecomputeProgress) -> str:
    """Return how far a new computation of the history is.

    >>> _recompute_line(RecomputeProgress(0, "quality", "pm10", 3, finished=1, share=0.456, finished_at=None))
    'history is computed again, 45 %: pm10 of 3 sensors (1 finished), quality since 1970-01-01T00:00:00Z'
    """
    what = one.property or "everything"
    sensors = "1 sensor" if one.sensors == 1 else f"{one.sensors} sensors"
    return (
        f"history is computed again, {int(100 * one.share)} %: {what} of {sensors} "
        f"({one.finished} finished), {one.reason} since {format_instant(one.requested_at)}"
    )


async def _check_service(name: str, attempt: Coroutine[Any, Any, None]) -> DoctorFinding:
    try:
        await attempt
    except (TwinError, OSError) as error:
        return DoctorFinding(False, f"{name}: {'; '.join(error_lines(error)).removeprefix('error: ')}")
    return DoctorFinding(True, f"{name} answers")


def _check_program(name: str, find: Callable[[], object]) -> DoctorFinding:
    try:
        path = find()
    except TwinError as error:
        return DoctorFinding(False, str(error))
    return DoctorFinding(True, name if path is None else f"{name} ({path})")
