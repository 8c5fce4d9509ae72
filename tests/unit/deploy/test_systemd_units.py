"""The systemd units are valid and hardened according to systemd, and use existing settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from alerting.settings import AlertingSettings
from api.settings import ApiSettings
from ingest.settings import IngestSettings
from outlets.settings import OutletSettings
from runtime.secret_files import FILE_SUFFIX, is_secret
from runtime.settings import RoleSettings
from storage.schema.rights import RIGHTS
from storage.settings import HistorianSettings
from stream.settings import StreamSettings
from tests.support.repository import ROOT

UNITS = ROOT / "deploy/systemd"
PROGRAM = "/opt/livetwin/.venv/bin/livetwin"
ROLES: dict[str, type[RoleSettings]] = {
    "ingest": IngestSettings,
    "stream": StreamSettings,
    "historian": HistorianSettings,
    "api": ApiSettings,
    "alerting": AlertingSettings,
    "outlets": OutletSettings,
}
INSTANCES = [f"livetwin@{role}.service" for role in ROLES]
SERVICES = [*INSTANCES, "livetwin-migrate.service"]

EXPOSURE_MAX = 1.5
"""systemd's exposure level, 0 to 10; the rest is the network, which the roles need."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is missing: apt-get install systemd",
)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return the units as installed, with a program that exists."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for path in folder.glob("*.service"):
        path.write_text(path.read_text().replace(PROGRAM, "/usr/bin/true"))
    return folder


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_COLORS": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def settings_lines(name: str) -> list[str]:
    text = (UNITS / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith(("#", "["))]


@needs_systemd
def test_systemd_finds_no_fault_in_the_units(installed: Path) -> None:
    found = analyze(installed, "verify", *SERVICES, "livetwin.target")
    assert (found.returncode, found.stderr) == (0, "")


@needs_systemd
def test_systemd_reports_a_wrong_unit(installed: Path) -> None:
    unit = installed / "livetwin@.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSistem=strict"))
    assert "ProtectSistem" in analyze(installed, "verify", "livetwin@api.service").stderr


@needs_systemd
@pytest.mark.parametrize("unit", ["livetwin@api.service", "livetwin-migrate.service"])
def test_a_service_is_exposed_to_no_more_than_its_network(unit: str, installed: Path) -> None:
    found = analyze(installed, "security", "--offline=true", unit)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", found.stdout)
    assert exposure is not None, found.stdout + found.stderr
    left = "\n".join(line for line in found.stdout.splitlines() if line.startswith("✗"))
    assert float(exposure[1]) <= EXPOSURE_MAX, left


def test_all_services_have_equal_hardening() -> None:
    hardening = re.compile(
        r"(NoNewPrivileges|Capability|Ambient|Protect|Proc|Private|Device|Restrict|Remove|Lock|Memory|Keyring"
        r"|SystemCall|DynamicUser|UMask)"
    )
    role, migrate = (
        [
            line
            for line in settings_lines(name)
            if hardening.match(line) and not line.startswith(("MemoryHigh", "MemoryMax"))
        ]
        for name in ("livetwin@.service", "livetwin-migrate.service")
    )
    assert role == migrate
    assert "ProtectSystem=strict" in role


def test_each_role_uses_the_database_with_its_own_account() -> None:
    assert "LoadCredential=database:/etc/livetwin/secrets/database-roles/%i" in settings_lines(
        "livetwin@.service"
    )
    assert ROLES.keys() == RIGHTS.keys()


def test_the_target_starts_every_role() -> None:
    wanted = [unit for line in settings_lines("livetwin.target") for unit in line.partition("=")[2].split()]
    assert [unit for unit in wanted if unit.startswith("livetwin@")] == INSTANCES


@pytest.mark.parametrize("role", ROLES)
def test_the_secrets_of_a_role_are_among_its_settings(role: str) -> None:
    files = [UNITS / "livetwin@.service", *UNITS.glob(f"livetwin@{role}.service.d/*.conf")]
    fields = ROLES[role].model_fields
    text = "\n".join(path.read_text() for path in files)
    names = re.findall(r"^Environment=LIVETWIN_(\w+)=", text, re.MULTILINE)
    for name in names:
        secret = name.removesuffix(FILE_SUFFIX)
        assert secret.lower() in fields, f"LIVETWIN_{name}"
        assert name == secret or is_secret(fields[secret.lower()])
    loaded = re.findall(r"^LoadCredential=([\w-]+):", text, re.MULTILINE)
    assert sorted(re.findall(r"=%d/([\w-]+)$", text, re.MULTILINE)) == sorted(loaded)
    assert (f"mqtt:/etc/livetwin/secrets/mqtt-{role}" in text) is ("mqtt" in loaded)
    # What a city must choose comes from a file; docs/explanation/security.md has the exceptions.
    elsewhere = {"kafka_password", "operator_key", "heartbeat_url", "reply_key", "push_key"}
    needed = {name for name, field in fields.items() if is_secret(field)} - elsewhere
    assert needed == {name.removesuffix(FILE_SUFFIX).lower() for name in names if name.endswith(FILE_SUFFIX)}
