"""Two processes of each role that may have several, on one log, one database and one MQTT broker."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.ports import free_port
from tests.support.processes.role_process import RoleProcess

REPLICATED = ("ingest", "stream", "historian", "api")
SHARE = "scale"

_BEGINNING = re.compile(r"partition \d+ of [\w-]+ starts from the state in the database")


@dataclass(frozen=True)
class ServiceAddresses:
    """What the roles stand on."""

    kafka: str
    database: str
    mqtt: tuple[str, int]


class Replicas:
    """The processes, by role; the `http` is that of the first api."""

    def __init__(self, services: ServiceAddresses, folder: Path) -> None:
        self.database = services.database
        self.ports = (free_port(), free_port())
        self.roles = {
            role: tuple(self._process(role, number, services, folder) for number in range(2))
            for role in REPLICATED
        }

    @property
    def http(self) -> str:
        """Base URL of the first api."""
        return self.addresses[0]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Base URLs of both."""
        return tuple(f"http://127.0.0.1:{port}" for port in self.ports)

    def processes(self) -> Iterator[RoleProcess]:
        """Yield each process."""
        for processes in self.roles.values():
            yield from processes

    def log_tails(self) -> str:
        """Return the ends of all logs."""
        return "\n\n".join(
            f"{one.log.stem}:\n{one.log_tail()}" for one in self.processes() if one.log.exists()
        )

    def beginnings(self) -> Counter[str]:
        """Return how often each partition began from the database instead of its checkpoint."""
        return Counter(
            found for one in self.roles["stream"] for found in _BEGINNING.findall(one.log.read_text())
        )

    def _process(self, role: str, number: int, services: ServiceAddresses, folder: Path) -> RoleProcess:
        name = f"{role}-{number}"
        state_dir = folder / f"state-{name}"
        state_dir.mkdir()
        settings = {
            "CITY": "town",
            "KAFKA": services.kafka,
            "DATABASE": services.database,
            "STATE_DIR": str(state_dir),
            "MQTT_HOST": services.mqtt[0],
            "MQTT_PORT": str(services.mqtt[1]),
            "MQTT_CLIENT_ID": name,
            "MQTT_SHARE": SHARE,
            "SESSION_TIMEOUT_S": "2",
            "PORT": str(self.ports[number]),
        }
        return RoleProcess(role, settings, folder, name)


@asynccontextmanager
async def running_replicas(services: ServiceAddresses, folder: Path) -> AsyncIterator[Replicas]:
    """Run all of them."""
    replicas = Replicas(services, folder)
    try:
        async with asyncio.TaskGroup() as starting:
            for process in replicas.processes():
                starting.create_task(process.start())
        yield replicas
    finally:
        await asyncio.gather(*(one.stop() for one in replicas.processes()))
