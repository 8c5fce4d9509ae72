"""Mosquitto with deploy/mosquitto/livetwin.conf: only TLS, with accounts from `livetwin credentials`."""

from __future__ import annotations

import io
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from cities.folder_writer import write_city
from cli.command_line import run as livetwin
from cli.embedded.mosquitto import EmbeddedMosquitto
from cli.process.service_account import set_owner_and_mode
from runtime.mqtt.client import stop_client
from tests.support.brokers.certificate_authority import CertificateAuthority
from tests.support.repository import ROOT
from tests.support.waiting import wait_until
from twin.model.city_model import CityPlan

CONFIGURATION = ROOT / "deploy/mosquitto/livetwin.conf"
OPENSSL_CONFIGURATION = ROOT / "deploy/tls/openssl.cnf"
FOLDER = "/etc/mosquitto/livetwin/"

HOST = "localhost"


class SecureMosquitto(EmbeddedMosquitto):
    """A broker on loopback with our configuration for networks, and the accounts of a city."""

    def __init__(
        self,
        folder: Path,
        plan: CityPlan,
        host: str = HOST,
        *,
        use_rsa: bool = False,
        valid: timedelta = timedelta(hours=1),
    ) -> None:
        super().__init__(folder)
        self.authority = CertificateAuthority(folder, valid=valid)
        self._identity = self.authority.issue("mosquitto", host, use_rsa=use_rsa)
        self._plan = plan
        self._files = folder / "credentials"
        self.passwords: dict[str, str] = {}  #: by account

    def rotate(self, name: str) -> None:
        """Give an account another password; the broker reads it without a restart."""
        self.passwords |= make_credentials(self._plan, self._files, "--rotate", name)
        self._write_files()
        self.child.send_signal(signal.SIGHUP)

    def environment(self) -> dict[str, str]:
        return {"OPENSSL_CONF": str(self._folder / "openssl.cnf")}

    async def _prepare(self) -> None:
        self._folder = self.create_folder()
        self.passwords |= make_credentials(self._plan, self._files)
        self._write_files()

    def _write_files(self) -> None:
        contents = {
            "server.crt": self._identity.certificate.read_text(),
            "server.key": self._identity.key.read_text(),
            "password_file": (self._files / "password_file").read_text(),
            "acl_file": (self._files / "acl_file").read_text(),
            "mosquitto.conf": self._configuration(),
            "openssl.cnf": OPENSSL_CONFIGURATION.read_text(),
        }
        for name, content in contents.items():
            (self._folder / name).write_text(content)
            set_owner_and_mode(self._folder / name, self.account, 0o600)

    def _configuration(self) -> str:
        text = CONFIGURATION.read_text()
        assert FOLDER in text
        assert "listener 8883\n" in text
        text = text.replace(FOLDER, f"{self._folder}/")
        text = text.replace("listener 8883\n", f"listener {self.port} 127.0.0.1\n")
        user = f"user {self.account.name}\n" if self.account else ""
        return f"{user}persistence true\npersistence_location {self._folder}/\nlog_dest stderr\n{text}"


def make_credentials(plan: CityPlan, out: Path, *options: str) -> dict[str, str]:
    """Run `livetwin credentials` for a city; return the passwords that it prints, by account."""
    folder = out.parent / "city"
    write_city(plan.model(1), folder)
    output = io.StringIO()
    with redirect_stdout(output):
        assert livetwin(["credentials", str(folder), "--out", str(out), *options]) == 0
    return dict(line.split("\t") for line in output.getvalue().splitlines())


class AccountConnection:
    """An MQTT connection of one account, with the results of what it published."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.publish_results: list[
            str
        ] = []  #: the reason code of each published message, in order: `Success`, or an error
        self.received_topics: list[str] = []  #: topics of the received messages
        client.on_publish = lambda _client, _data, _mid, reason, _properties: self.publish_results.append(
            str(reason)
        )
        client.on_message = lambda _client, _data, message: self.received_topics.append(message.topic)

    def publish(self, topic: str, payload: bytes | str) -> str:
        """Publish a message; return the broker's reason code as text."""
        count = len(self.publish_results)
        sent = self._client.publish(topic, payload, qos=1)
        assert sent.rc is MQTTErrorCode.MQTT_ERR_SUCCESS, f"{topic}: {sent.rc!r}"
        wait_until(lambda: len(self.publish_results) > count, lambda: f"no answer to {topic}")
        return self.publish_results[-1]

    def subscribe(self, *filters: str) -> None:
        """Subscribe; return when the broker has answered."""
        answered: list[Any] = []
        self._client.on_subscribe = lambda *_: answered.append(True)
        self._client.subscribe([(one, 1) for one in filters])
        wait_until(lambda: bool(answered), lambda: f"no answer to {filters}")


@contextmanager
def connected_account(
    broker: SecureMosquitto, name: str | None, password: str | None = None, *, client_id: str = ""
) -> Iterator[AccountConnection]:
    """Connect over TLS, by default with the account's own password and an id that the broker chooses.

    Raises ConnectionError with the reason when the broker refuses the connection.
    """
    client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
    if name is not None:
        client.username_pw_set(name, broker.passwords[name] if password is None else password)
    client.tls_set_context(ssl.create_default_context(cafile=broker.authority.certificate_file))
    answers: list[str] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(str(reason))
    connected = AccountConnection(client)
    client.connect(HOST, broker.port)
    client.loop_start()
    try:
        wait_until(lambda: bool(answers), lambda: "no answer")
        if answers[0] != "Success":
            raise ConnectionError(answers[0])
        yield connected
    finally:
        client.disconnect()
        stop_client(client)
