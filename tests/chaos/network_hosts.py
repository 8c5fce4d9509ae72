"""Hosts of their own: network namespaces with a cable to this one, which can be pulled or filtered."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CENTRE = "10.77.0.1"
"""The address of the services, which each host reaches over its cable."""


def run(*command: str) -> None:
    """Run a command of the network tools. Raises CalledProcessError."""
    subprocess.run(command, check=True, capture_output=True)


def prepare_centre() -> None:
    """Give this network namespace the address of the services; it must be a new one."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", f"{CENTRE}/32", "dev", "lo")


class NetworkHost:
    """A network namespace. Its programs share disk and clock with this one, and nothing of the network."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address = f"10.77.{number}.2"
        self._gateway = f"10.77.{number}.1"
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo made; exec sleep infinity"], stdout=subprocess.PIPE
        )
        self._filters: list[tuple[str, ...]] = []

    def connect(self) -> None:
        """Lay the cable."""
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"made\n", "no new network namespace: this needs root"
        run(
            *("ip", "link", "add", self.name, "type", "veth"),
            *("peer", "name", "eth0", "netns", str(self._keeper.pid)),
        )
        run("ip", "address", "add", f"{self._gateway}/24", "dev", self.name)
        run("ip", "link", "set", self.name, "up")
        for command in (
            ("ip", "link", "set", "lo", "up"),
            ("ip", "address", "add", f"{self.address}/24", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
            ("ip", "route", "add", "default", "via", self._gateway),
        ):
            run(*self.inside(*command))

    def inside(self, *command: str) -> tuple[str, ...]:
        """Return a command as it runs on this host."""
        return ("nsenter", f"--net=/proc/{self._keeper.pid}/ns/net", *command)

    def pull_cable(self) -> None:
        """Cut the host off from everything."""
        run("ip", "link", "set", self.name, "down")

    def drop(self, port: int, *, requests: bool) -> None:
        """Drop the packets between the host and a port of the services: answers, and requests if asked."""
        if requests:
            self._filter("INPUT", "--source", self.address, "--protocol", "tcp", "--dport", str(port))
        self._filter("OUTPUT", "--destination", self.address, "--protocol", "tcp", "--sport", str(port))

    def heal(self) -> None:
        """End `pull_cable` and `drop`."""
        run("ip", "link", "set", self.name, "up")
        while self._filters:
            run("iptables", "--wait", "--delete", *self._filters.pop())

    def remove(self) -> None:
        """Remove the host; its programs must have ended."""
        self._keeper.kill()
        self._keeper.communicate()

    def _filter(self, *rule: str) -> None:
        whole = (*rule, "--jump", "DROP")
        run("iptables", "--wait", "--insert", *whole)
        self._filters.append(whole)


@contextmanager
def hosts(*names: str) -> Iterator[list[NetworkHost]]:
    """Run hosts around a prepared centre of services."""
    made = [NetworkHost(name, number) for number, name in enumerate(names, 1)]
    try:
        for host in made:
            host.connect()
        yield made
    finally:
        for host in made:
            host.remove()


class HostProcess:
    """A Python program on a host. Its log tells what it is: notify sockets do not reach another host."""

    def __init__(
        self, host: NetworkHost, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.host = host
        self.log = log
        self._command = host.inside(sys.executable, *command)
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the program."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdout=log, stderr=log
            )

    def send_signal(self, which: int) -> None:
        """Send a signal to the program, which nsenter has become."""
        assert self._process is not None
        self._process.send_signal(which)

    async def wait(self) -> None:
        """Return when the program has ended."""
        if self._process is not None:
            await self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether the program runs."""
        return self._process is not None and self._process.returncode is None

    def count(self, text: str) -> int:
        """Return how many lines of the log contain a text."""
        return self.log.read_text().count(text) if self.log.exists() else 0
