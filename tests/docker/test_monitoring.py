"""The profile `monitoring`: its files are valid, and Prometheus reaches every role."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx

from tests.docker.compose_project import ROLES
from tests.docker.conftest import Running
from tests.support.repository import ROOT
from tests.support.services.compose_file import image_of
from tests.support.waiting import wait_until

MONITORING = ROOT / "deploy/monitoring"

# Prometheus scrapes each role every 15 s.
SCRAPED_S = 180.0


def checked(service: str, *command: str) -> str:
    """Run a checking program of a service's image; return its output, fail when it reports a fault."""
    program, *words = command
    options = ["--rm", "--network=none", f"--volume={MONITORING}:/files:ro", f"--entrypoint={program}"]
    done = subprocess.run(
        ["docker", "run", *options, image_of(service), *words],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_finds_no_fault_in_its_files() -> None:
    said = checked("prometheus", "promtool", "check", "config", "/files/prometheus.yml")
    assert "SUCCESS: /files/prometheus.yml is valid" in said
    assert "SUCCESS: 1 rule files found" in said


def test_alertmanager_finds_no_fault_in_its_file() -> None:
    assert "SUCCESS" in checked("alertmanager", "amtool", "check-config", "/files/alertmanager.yml")


def test_prometheus_reaches_every_role(running: Running) -> None:
    project = running.project
    # Named, since no package registry offers Grafana, whose image may be missing.
    project.compose("up", "--detach", "--no-build", "--no-deps", "prometheus", "alertmanager")

    def targets() -> list[dict[str, Any]]:
        try:
            answer = httpx.get(f"{project.prometheus}/api/v1/targets").raise_for_status()
        except httpx.HTTPError:
            return []
        found: list[dict[str, Any]] = answer.json()["data"]["activeTargets"]
        return found

    def reached() -> set[str]:
        return {
            one["labels"]["role"] for one in targets() if one["health"] == "up" and "role" in one["labels"]
        }

    wait_until(
        lambda: reached() == set(ROLES),
        lambda: (
            [(one["scrapeUrl"], one["lastError"]) for one in targets()]
            or project.compose("logs", "prometheus")
        ),
        SCRAPED_S,
    )
    wait_until(
        lambda: httpx.get(f"{project.alertmanager}/-/ready").status_code == 200,
        lambda: project.compose("logs", "alertmanager"),
        SCRAPED_S,
    )
    asked = httpx.get(
        f"{project.prometheus}/api/v1/query", params={"query": "livetwin_ingest_messages_total"}
    )
    [sample] = asked.json()["data"]["result"]
    assert float(sample["value"][1]) > 0
