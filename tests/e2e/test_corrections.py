"""Recordings that are played twice, and corrections: the value that became known last counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.clock import system_clock
from tests.support.processes.running_system import RunningSystem
from tests.support.waiting import wait_until
from twin.instant import DAY, HOUR, SECOND, Instant, format_instant

pytestmark = pytest.mark.embedded

SENSOR = "traffic-n9-4"
REPLAY_S_MAX = 60.0


class Recorder:
    """Plays single values of one sensor, and asks for them."""

    def __init__(self, system: RunningSystem, folder: Path) -> None:
        self._system = system
        self._folder = folder
        listed = self._get("/v1/datastreams", sensor=SENSOR, property="vehicle_speed")
        self._datastream = listed["items"][0]["id"]

    def play(self, time: Instant, value: float, *options: str) -> None:
        path = self._folder / f"{value}.csv"
        path.write_text(f"time,station,vehicle_speed\n{format_instant(time)},{SENSOR},{value}\n")
        command = [sys.executable, "-m", "cli", "replay", str(path), "--sensor-column", "station"]
        ports = self._system.data_dir / "ports.json"
        subprocess.run(
            [*command, "--speed", "max", "--ports-file", str(ports), *options],
            check=True,
            timeout=REPLAY_S_MAX,
        )

    def values(self, time: Instant, **query: str) -> list[float]:
        """Return the values at a time."""
        path = f"/v1/datastreams/{self._datastream}/observations"
        span = {"start": format_instant(time), "end": format_instant(time + SECOND)}
        return [one["value"] for one in self._get(path, **span, **query)["items"]]

    def refused(self) -> list[str]:
        """Return why messages of the sensor are in quarantine."""
        return [one["reason"] for one in self._get("/v1/quarantine", device=SENSOR)["items"]]

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer = httpx.get(f"{self._system.http}{path}", params=query, timeout=60).raise_for_status()
        document: dict[str, Any] = answer.json()
        return document


def test_a_lower_value_of_a_second_file_and_a_lower_correction_win(
    running_system: RunningSystem, tmp_path: Path
) -> None:
    recorder = Recorder(running_system, tmp_path)
    yesterday = system_clock() - DAY - system_clock() % HOUR
    for value in (61.5, 26.25, 48.0):
        recorder.play(yesterday, value)
        wait_until(lambda: recorder.values(yesterday) == [value], lambda: recorder.values(yesterday))  # noqa: B023
        assert recorder.values(yesterday, knownAt=format_instant(yesterday)) == [value]
    before = format_instant(system_clock())
    recorder.play(yesterday, 12.5, "--correction")
    wait_until(lambda: recorder.values(yesterday) == [12.5], lambda: recorder.values(yesterday))
    after = format_instant(system_clock())
    assert recorder.values(yesterday, knownAt=before) == [48.0]
    assert recorder.values(yesterday, knownAt=after) == [12.5]


def test_an_operator_may_correct_what_is_too_old_for_a_device(
    running_system: RunningSystem, tmp_path: Path
) -> None:
    recorder = Recorder(running_system, tmp_path)
    old = system_clock() - 400 * DAY
    recorder.play(old, 30.0, "--correction")
    wait_until(lambda: recorder.refused() == ["time-too-old"], recorder.refused)
    recorder.play(old, 31.0, "--correction", "--any-age")
    wait_until(lambda: recorder.values(old) == [31.0], lambda: recorder.values(old))
    assert recorder.refused() == ["time-too-old"]
