"""The system under load: `livetwin up` as its own process, on a temporary data folder."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.load.bench_city import BenchCity
from benchmarks.measure.worker_process import BenchmarkError, ended_within
from cities.folder_writer import write_city
from twin.model.city_model import CityModel

HOST = "127.0.0.1"

START_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 1_800.0  # what is on the log is processed first

_OUTPUT_SHOWN_LINES = 10


class BenchSystem:
    """The whole system in a temporary folder; stopped at the end of the block.

    Without options it runs a city without simulated devices: the given one, or that of the case `system`.
    After `stop`, `start` continues with the same data.
    """

    def __init__(
        self, *, keep: bool = False, options: Sequence[str] | None = None, city: CityModel | None = None
    ) -> None:
        self._keep = keep
        self._city = city
        self.folder = Path(tempfile.mkdtemp(prefix="livetwin-bench-"))
        self._options = options
        # Started by root, the services have their own accounts, which must reach their data.
        self.folder.chmod(0o755)
        self.data_dir = self.folder / "data"
        self._ports_file = self.folder / "ports.json"
        self._output = self.folder / "up.output"
        self._process: subprocess.Popen[bytes] | None = None
        self.started_in_s = 0.0  #: duration of the last start

    def __enter__(self) -> Self:
        if self._options is None:
            city = self.folder / "city"
            write_city(self._city or BenchCity().model(), city)
            self._options = [f"--city={city}", "--no-simulate"]
        try:
            self.start(self._options)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def ports(self) -> dict[str, Any]:
        """The present content of the ports file."""
        content: dict[str, Any] = json.loads(self._ports_file.read_text())
        return content

    @property
    def pids(self) -> Mapping[str, Sequence[int]]:
        """Process ids of the services and roles."""
        pids: dict[str, Sequence[int]] = dict(self.ports["pids"])
        return pids

    @property
    def supervisor(self) -> int:
        """Process id of `livetwin up` itself."""
        return int(self.ports["supervisor"])

    def stop(self) -> None:
        """Stop the system. Raises BenchmarkError when it ends with an error, or not in time."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BenchmarkError(f"livetwin up did not end within {STOP_TIMEOUT_S:.0f} s") from None
        if code != 0:
            raise BenchmarkError(f"livetwin up ended with code {code}: {self._last_lines()}")

    def restart(self) -> None:
        """Stop the system, and start it with the same options. Raises BenchmarkError."""
        assert self._options is not None
        self.stop()
        self.start(self._options)

    def start(self, options: Sequence[str]) -> None:
        """Start the system on its data folder; return when it is ready. Raises BenchmarkError."""
        self._ports_file.unlink(missing_ok=True)
        # The system ends with a benchmark that is killed.
        end_with_parent = ["setpriv", "--pdeathsig=TERM", "--"]
        command = [
            *end_with_parent,
            sys.executable,
            "-m",
            "cli",
            "up",
            f"--data-dir={self.data_dir}",
            *options,
        ]
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--port=0", "--mqtt-port=0", f"--ports-file={self._ports_file}"],
                cwd=Path(__file__).parents[2],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        began = time.monotonic()
        deadline = began + START_TIMEOUT_S
        while not self._ports_file.exists():
            if ended_within(self._process, 0.05):
                raise BenchmarkError(f"livetwin up ended early: {self._last_lines()}")
            if time.monotonic() > deadline:
                raise BenchmarkError(
                    f"livetwin up is not ready after {START_TIMEOUT_S:.0f} s: {self._last_lines()}"
                )
        self.started_in_s = round(time.monotonic() - began, 2)

    def _end(self) -> None:
        try:
            self.stop()
        finally:
            if self._keep:
                print(f"data and logs stay in {self.folder}")
            else:
                self._remove()

    def _remove(self) -> None:
        # When an account cannot reach the data folder, its files are elsewhere, behind a link.
        for link in self.data_dir.glob("*"):
            if link.is_symlink() and link.is_dir():
                shutil.rmtree(link.resolve(), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last_lines(self) -> str:
        return " | ".join(self._output.read_text().splitlines()[-_OUTPUT_SHOWN_LINES:])
