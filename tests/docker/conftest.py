"""One compose project with simulated devices for all tests of this folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cli.embedded.ports import LOOPBACK
from tests.docker.compose_project import ComposeProject
from tests.support.services.service_folder import make_service_folder


@dataclass(frozen=True)
class Running:
    """A running project, and the passwords of its devices."""

    project: ComposeProject
    devices: dict[str, str]


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """Yield the whole system with the profile `demo`; assert afterwards that nothing of it is left."""
    folder = make_service_folder()
    project = ComposeProject(folder)
    try:
        devices = project.make_secrets()
        accounts = project.secrets / "accounts"
        certificate = (
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=livetwin"
        )
        files = ["-keyout", str(accounts / "server.key"), "-out", str(accounts / "server.crt")]
        subprocess.run(
            ["openssl", *certificate.split(), "-addext", f"subjectAltName=IP:{LOOPBACK}", *files],
            check=True,
            capture_output=True,
        )
        shutil.chown(accounts / "server.key", group=10001)
        (accounts / "server.key").chmod(0o640)
        project.up()
        yield Running(project, devices)
        project.compose("down", "--volumes", "--timeout", "20")
        assert project.leftovers() == []
    finally:
        project.compose("down", "--volumes", "--timeout", "1")
        shutil.rmtree(folder)
