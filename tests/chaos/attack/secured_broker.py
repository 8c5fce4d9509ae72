"""The broker of the devices, as shipped for networks (TLS, accounts, topics by account), and its ingest."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from cli.embedded.ports import free_port
from cli.supervisor.options import PARTITIONS
from tests.chaos.device import DeviceAccount
from tests.chaos.system_under_test import SystemUnderTest, microphone_id
from tests.support.brokers.secure_mosquitto import HOST, SecureMosquitto
from tests.support.processes.role_process import RoleProcess

INGEST_ACCOUNT = "livetwin-ingest-0"
_RECEIVE_STORED_MAX = 10_000


@dataclass(frozen=True)
class SecuredBroker:
    """The broker, and the ingest that reads from it."""

    mosquitto: SecureMosquitto
    ingest: RoleProcess
    metrics_port: int  #: of the ingest

    @property
    def authority(self) -> str:
        """The file by which clients check the certificate of the broker."""
        return str(self.mosquitto.authority.certificate_file)

    def accounts(self, streets: range) -> list[DeviceAccount]:
        """Return the accounts of the microphones of streets."""
        tls = ssl.create_default_context(cafile=self.authority)
        names = [microphone_id(number) for number in streets]
        return [DeviceAccount(name, self.mosquitto.passwords[name], tls, HOST) for name in names]


@asynccontextmanager
async def secured_broker(
    town: SystemUnderTest, *, acknowledge: str, valid: timedelta
) -> AsyncIterator[SecuredBroker]:
    """Run both beside a system, into its log. The certificate is valid for a time."""
    folder = town.folder / "devices"
    folder.mkdir()
    folder.chmod(0o755)
    mosquitto = SecureMosquitto(folder, town.plan, valid=valid)
    await mosquitto.start()
    try:
        metrics_port = free_port()
        settings = {
            "CITY": "town",
            "KAFKA": f"127.0.0.1:{town.ports['kafka']}",
            "PARTITIONS": str(PARTITIONS),
            "DATABASE": town.database,
            "STATE_DIR": str(folder / "state"),
            "MQTT_HOST": HOST,
            "MQTT_PORT": str(mosquitto.port),
            "MQTT_TLS": "true",
            "MQTT_TLS_CA": str(mosquitto.authority.certificate_file),
            "MQTT_USERNAME": INGEST_ACCOUNT,
            "MQTT_PASSWORD": mosquitto.passwords[INGEST_ACCOUNT],
            "MQTT_CLIENT_ID": INGEST_ACCOUNT,
            "MQTT_SHARE": "",
            "METRICS_PORT": str(metrics_port),
            "ACKNOWLEDGE": acknowledge,
            **({"RECEIVE_MAX": str(_RECEIVE_STORED_MAX)} if acknowledge == "stored" else {}),
        }
        (folder / "state").mkdir()
        ingest = RoleProcess("ingest", settings, folder / "logs", "ingest-of-devices", own_account=False)
        await ingest.start()
        try:
            yield SecuredBroker(mosquitto, ingest, metrics_port)
        finally:
            await ingest.stop()
    finally:
        await mosquitto.stop()
