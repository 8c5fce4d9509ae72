"""An ingest beside that of the town, for a broker that is not the town's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cli.supervisor.options import PARTITIONS
from tests.chaos.system_under_test import SystemUnderTest
from tests.support.processes.role_process import RoleProcess


@asynccontextmanager
async def second_ingest(broker: tuple[str, int], town: SystemUnderTest) -> AsyncIterator[RoleProcess]:
    """Run an ingest beside that of the town: it takes what another broker has to the same log."""
    ports = town.ports
    settings = {
        "CITY": "town",
        "KAFKA": f"127.0.0.1:{ports['kafka']}",
        "PARTITIONS": str(PARTITIONS),
        "DATABASE": town.database,
        "STATE_DIR": str(town.folder / "state-of-another-ingest"),
        "MQTT_HOST": broker[0],
        "MQTT_PORT": str(broker[1]),
        "MQTT_CLIENT_ID": "livetwin-chaos",
        "MQTT_SHARE": "",
    }
    process = RoleProcess("ingest", settings, town.folder / "logs", "another-ingest")
    await process.start()
    try:
        yield process
    finally:
        await process.stop()
