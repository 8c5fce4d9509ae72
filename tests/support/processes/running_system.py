"""`livetwin up` as a process of its own."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import psycopg

from tests.support.brokers.mqtt_publisher import publish

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60


class RunningSystem:
    """`livetwin up` as a process of its own, as a user would start it: into a file, or on a terminal."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        terminal: bool = False,
    ) -> None:
        self.data_dir = data_dir
        self._ports_file = data_dir / "asked-ports.json"
        self._ports_file.unlink(missing_ok=True)  # of a run that was killed
        self._output = data_dir / "up.output"
        command = [sys.executable, "-m", "cli", "up", f"--data-dir={data_dir}", "--port=0", "--mqtt-port=0"]
        with self._terminal() if terminal else self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, f"--ports-file={self._ports_file}", *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    def wait_ready(self) -> None:
        """Return once the ports file exists; fail with the output when it does not appear in time."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._ports_file.exists():
            ended = self._ended_within(0.05)
            assert not ended, f"livetwin up ended early: {self.output}"
            assert time.monotonic() < deadline, f"livetwin up is not ready: {self.output}"

    def kill(self) -> None:
        """Kill the process if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, which: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(which)
        return self.process.wait(STOP_TIMEOUT_S)

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return self._output.read_text()

    @property
    def ports(self) -> dict[str, Any]:
        """The present content of the ports file."""
        content: dict[str, Any] = json.loads(self._ports_file.read_text())
        return content

    @property
    def http(self) -> str:
        """Base URL of the api, without a slash at the end."""
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def mqtt(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", self.ports["mqtt"]

    @property
    def kafka(self) -> str:
        """Bootstrap address."""
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def postgres(self) -> str:
        """Connection URI."""
        return str(self.ports["database"])

    @property
    def operator_key(self) -> str:
        """The API key of an operator."""
        return str(self.ports["operatorKey"])

    def stored_values(self, sensor: str, property: str) -> list[float]:
        """Return all observations of a property by a sensor in the database, by time, also repeated ones."""
        with psycopg.connect(self.postgres) as connection:
            rows = connection.execute(
                "SELECT value FROM observation JOIN datastream ON datastream.id = datastream_id "
                "WHERE sensor_id = %s AND property = %s ORDER BY phenomenon_time",
                (sensor, property),
            ).fetchall()
        return [row[0] for row in rows]

    def publish(self, topic: str, payload: bytes | str, qos: int = 1) -> None:
        """Publish one message and return when the broker acknowledged it."""
        self.publish_all([(topic, payload)], qos)

    def publish_all(self, messages: list[tuple[str, bytes | str]], qos: int = 1) -> None:
        """Publish messages in order and return when the broker acknowledged all of them."""
        publish(self.mqtt, messages, qos)

    def _terminal(self) -> BinaryIO:
        """Return a terminal; what is written to it is appended to the output until nobody has it open."""
        controller, terminal = pty.openpty()

        def copy() -> None:
            # The last process that had the terminal open has ended when a read fails.
            with self._output.open("ab", buffering=0) as output, suppress(OSError):
                while data := os.read(controller, 4096):
                    output.write(data)
            os.close(controller)

        threading.Thread(target=copy, daemon=True).start()
        return os.fdopen(terminal, "wb", buffering=0)

    def _ended_within(self, timeout_s: float) -> bool:
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True


@contextmanager
def kept_dead(system: RunningSystem, role: str) -> Iterator[None]:
    """Kill a role for the block; its supervisor, which would restart it, is frozen meanwhile."""
    system.process.send_signal(signal.SIGSTOP)
    try:
        for pid in system.ports["pids"][role]:
            os.kill(pid, signal.SIGKILL)
        yield
    finally:
        system.process.send_signal(signal.SIGCONT)
