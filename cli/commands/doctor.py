"""`livetwin doctor`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import shutil
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

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
from ingest.settings import IngestSettings
from runtime.kafka.consumer import log_identity
from storage.database import connect
from twin.errors import TwinError


@click.command("doctor")
@click.option("--city", type=click.Path(path_type=Path), help="City folder to validate; Alkmaar by default.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA_DIR,
    show_default=True,
    help="Data dir of the `livetwin up` to examine.",
)
def command(*, city: Path | None, data_dir: Path) -> None:
    """Tell what is installed, reachable and healthy, and what to do about what is not.

    Examines the services that LIVETWIN_* names when one of these is set, else the embedded system.
    """
    # What a client library logs while it tries is told better below.
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


# What `livetwin doctor` looks at: programs, the city, and the services and roles that run.

PYTHON_MIN = (3, 11)
KAFKA_TIMEOUT_S = 5.0
MQTT_TIMEOUT_S = 5.0

_PAGE = Path(__file__).parents[2] / "api" / "static" / "index.html"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One thing that was looked at; `message` says what to do when it is not fine."""

    ok: bool
    message: str


def check_installation() -> list[DoctorFinding]:
    """Return what of the programs is there; the embedded system needs all of them."""
    return [
        DoctorFinding(
            sys.version_info >= PYTHON_MIN,
            f"Python {platform.python_version()} (3.11 or later is needed)",
        ),
        _attempt("PostgreSQL 17", lambda: find_postgres_program("postgres")),
        _attempt("TimescaleDB", require_timescale),
        _attempt("Mosquitto", find_mosquitto),
        DoctorFinding(
            shutil.which("setpriv") is not None,
            "setpriv" if shutil.which("setpriv") else "setpriv is missing: apt-get install util-linux",
        ),
        DoctorFinding(
            _PAGE.exists(), "the page is built" if _PAGE.exists() else "the page is not built: `make setup`"
        ),
    ]


def check_city(folder: Path) -> list[DoctorFinding]:
    """Return whether a city folder is fine, or every fault in it."""
    try:
        plan = read_city(folder)
    except CityError as error:
        return [DoctorFinding(False, line) for line in error_lines(error)]
    return [DoctorFinding(True, f"city {plan.city.name} ({folder})")]


async def check_embedded_system(data_dir: Path) -> list[DoctorFinding]:
    """Return how the `livetwin up` of a data dir is, by its ports file."""
    content = _ports_of(data_dir)
    if content is None or not is_alive(content["supervisor"]):
        return [DoctorFinding(True, f"no `livetwin up` runs in {data_dir}")]
    findings = [
        DoctorFinding(
            bool(pids) and all(is_alive(pid) for pid in pids),
            f"{name} runs" if pids else f"{name} does not run: see {data_dir / 'logs' / name}.log",
        )
        for name, pids in content["pids"].items()
    ]
    status = await http_status(content["http"], "/v1/health/ready")
    return [*findings, DoctorFinding(status == 200, f"api on port {content['http']} answers {status}")]


async def check_configured_services() -> list[DoctorFinding]:
    """Return whether the services that LIVETWIN_* names answer."""
    settings = read_settings(IngestSettings)

    async def database() -> None:
        connection = await connect(settings.database.get_secret_value(), role="doctor")
        await connection.close()

    async def kafka() -> None:
        await log_identity(settings.kafka_access(), KAFKA_TIMEOUT_S)

    async def mqtt() -> None:
        async with asyncio.timeout(MQTT_TIMEOUT_S):
            access = settings.mqtt_access()
            _, writer = await asyncio.open_connection(access.host, access.port, ssl=access.tls)
            writer.close()

    mqtt_place = f"{settings.mqtt_host}:{settings.mqtt_port}"
    return [
        await _reach("the database (LIVETWIN_DATABASE)", database()),
        await _reach(f"Kafka {settings.kafka} (LIVETWIN_KAFKA)", kafka()),
        await _reach(f"MQTT {mqtt_place} (LIVETWIN_MQTT_HOST, LIVETWIN_MQTT_PORT)", mqtt()),
    ]


async def _reach(what: str, attempt: Coroutine[Any, Any, None]) -> DoctorFinding:
    try:
        await attempt
    except (TwinError, OSError) as error:
        return DoctorFinding(False, f"{what}: {'; '.join(error_lines(error)).removeprefix('error: ')}")
    return DoctorFinding(True, f"{what} answers")


def _attempt(what: str, find: Callable[[], object]) -> DoctorFinding:
    try:
        found = find()
    except TwinError as error:
        return DoctorFinding(False, str(error))
    return DoctorFinding(True, what if found is None else f"{what} ({found})")


def _ports_of(data_dir: Path) -> dict[str, Any] | None:
    path = data_dir / "ports.json"
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text())
    return content
