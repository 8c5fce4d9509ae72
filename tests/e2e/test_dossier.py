"""From a cloudburst to a file that another machine verifies: devices, all roles, API, command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes.crash_faults import log_tails
from tests.support.waiting import wait_until

pytestmark = pytest.mark.embedded

System = Any

SPEED = 60
RAISED_S = 240.0
"""At that speed the water is too high after a minute on an idle machine; a busy one keeps up."""

SETTLED_S = 90.0


def test_a_dossier_of_a_cloudburst_is_verified_offline_and_refused_with_a_changed_byte(
    start_system: Callable[..., System], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETWIN_SCENARIO", "cloudburst")
    system = start_system(f"--speed={SPEED}", "--seed=1", simulate=True)
    system.wait_ready()
    with httpx.Client(base_url=system.http, timeout=30.0) as client:
        client.headers["Authorization"] = f"Bearer {system.ports['operatorKey']}"

        def raised() -> list[str]:
            items = client.get("/v1/alarms?rule=high-water&active=true").raise_for_status().json()["items"]
            return [one["id"] for one in items]

        wait_until(lambda: bool(raised()), lambda: f"no high water\n{log_tails(system)}", RAISED_S)
        alarm = raised()[-1]
        client.post(f"/v1/alarms/{alarm}/_acknowledge", json={"comment": "seen"}).raise_for_status()

        def acknowledged() -> list[str]:
            events = client.get(f"/v1/alarms/{alarm}/events").raise_for_status().json()["items"]
            return [one["toldTime"] for one in events if one["kind"] == "acknowledged"]

        wait_until(lambda: bool(acknowledged()), acknowledged)
        path = f"/v1/alarms/{alarm}/dossier"
        answers: list[httpx.Response] = []

        def is_made() -> bool:
            answers.append(client.get(path, params={"at": acknowledged()[0]}))
            return answers[-1].status_code == 200

        wait_until(is_made, lambda: answers[-1].text, SETTLED_S)
        (key,) = client.get("/.well-known/jwks.json").raise_for_status().json()["keys"]

    elsewhere = tmp_path / "another machine"
    elsewhere.mkdir()
    (elsewhere / "dossier.zip").write_bytes(answers[-1].content)
    verification = verify(elsewhere, key["kid"])
    assert verification.returncode == 0, verification.stdout + verification.stderr
    assert "agrees        1. raised" in verification.stdout
    assert "acknowledged" in verification.stdout

    changed = bytearray(answers[-1].content)
    changed[len(changed) // 2] ^= 1
    (elsewhere / "dossier.zip").write_bytes(changed)
    refusal = verify(elsewhere, key["kid"])
    assert refusal.returncode == 1
    assert "agrees" not in refusal.stdout
    assert refusal.stderr.startswith("error: "), refusal.stderr


def verify(folder: Path, thumbprint: str) -> subprocess.CompletedProcess[str]:
    """Verify the dossier in a folder, as a process without any setting of the system."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIVETWIN_")}
    repository = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "cli", "dossier", "verify", "dossier.zip", "--key", thumbprint],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
