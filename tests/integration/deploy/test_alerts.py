"""promtool accepts the alert rules, and their tests pass."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.repository import ROOT

MONITORING = ROOT / "deploy/monitoring"


@pytest.mark.parametrize("command", ["check rules alerts.yml", "test rules test-alerts.yml"])
def test_promtool_accepts_the_rules_and_their_tests(command: str) -> None:
    done = subprocess.run(
        ["promtool", *command.split()], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout + done.stderr
