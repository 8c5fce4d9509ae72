"""The system under test: `livetwin up` for a city of streets with a microphone each."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cities.folder_writer import write_city
from cli.embedded.ports import free_port
from tests.support.cities.noise_city import microphone_of, noise_city
from tests.support.processes.running_system import RunningSystem
from tests.support.services.service_folder import make_service_folder

LOAD_STREETS = 499
"""The number of streets whose microphones send the load."""

PROPERTY = "noise_level"


def street_id(number: int) -> str:
    """Return the id of a street; that of the canary is number `LOAD_STREETS`."""
    return f"town.street-{number}"


def microphone_id(number: int) -> str:
    """Return the id of the microphone of a street."""
    return microphone_of(street_id(number))


class SystemUnderTest:
    """The running system on a temporary data folder; the MQTT port stays the same over restarts."""

    def __init__(
        self,
        *options: str,
        folder: Path | None = None,
        keep: bool = False,
        streets: int = LOAD_STREETS + 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.plan = noise_city(streets)
        self.folder = folder if folder is not None else make_service_folder()
        self.mqtt = "127.0.0.1", free_port()
        self._options = options
        self._keep = keep
        self._environment = environment
        self._running: RunningSystem | None = None

    def __enter__(self) -> Self:
        city = self.folder / "city"
        write_city(self.plan.model(1), city)
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def http(self) -> str:
        """Base URL of the API."""
        return self._system.http

    @property
    def database(self) -> str:
        """Connection URI."""
        return self._system.postgres

    @property
    def ports(self) -> dict[str, Any]:
        """The ports file, as it is now."""
        return self._system.ports

    @property
    def pids(self) -> dict[str, Sequence[int]]:
        """Process ids by name, as they are now."""
        pids: dict[str, Sequence[int]] = self.ports["pids"]
        return pids

    def restart(self) -> None:
        """Kill `livetwin up` with -9, and start it again on the same data."""
        self._system.kill()
        self._start()

    @property
    def _system(self) -> RunningSystem:
        assert self._running is not None
        return self._running

    def _start(self) -> None:
        self._running = RunningSystem(
            self.folder,
            f"--city={self.folder / 'city'}",
            "--no-simulate",
            f"--mqtt-port={self.mqtt[1]}",
            *self._options,
            environment=self._environment,
        )
        self._running.wait_ready()

    def _end(self) -> None:
        try:
            if self._running is not None and self._running.process.poll() is None:
                code = self._running.stop(signal.SIGTERM)
                assert code == 0, self._running.output
        finally:
            if self._running is not None:
                self._running.kill()
            if self._keep:
                print(f"data and logs stay in {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)
