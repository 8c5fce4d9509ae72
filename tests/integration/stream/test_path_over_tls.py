"""From a device's account to the API, with TLS and a password on every connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg
import pytest

from cli.embedded.ports import free_port
from cli.embedded.postgres import EmbeddedPostgres
from cli.process.service_account import set_owner_and_mode
from runtime.clock import system_clock
from storage.database import connect
from storage.model.model_store import apply_plan
from tests.support.brokers.certificate_authority import CertificateAuthority
from tests.support.brokers.secure_kafka import SecureKafka, secure_kafka
from tests.support.brokers.secure_mosquitto import HOST, SecureMosquitto, connected_account
from tests.support.cities.noise_city import microphone_of, noise_city, noise_message
from tests.support.database.role_accounts import role_dsn
from tests.support.processes.role_process import RoleProcess
from twin.errors import ServiceError

PLAN = noise_city(2)
STREET, OTHER = (one.id for one in PLAN.entities)
ROLES = ("ingest", "stream", "historian", "api")
PASSWORDS = {f"livetwin-{role}": f"kafka-s3cret-{role}" for role in ROLES}
DEADLINE_S = 60.0


@asynccontextmanager
async def postgres_with_tls(
    postgres: EmbeddedPostgres, folder: Path, authority: CertificateAuthority
) -> AsyncIterator[None]:
    """Let the database cluster of all tests use TLS meanwhile."""
    server = authority.issue("postgres", HOST)
    for path in server:
        set_owner_and_mode(path, postgres.account, 0o600)
    values = {"ssl_cert_file": server.certificate, "ssl_key_file": server.key, "ssl": "on"}
    async with await postgres.connect_as_administrator() as connection:
        for name, value in values.items():
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            for name in values:
                await connection.execute(f"ALTER SYSTEM RESET {name}")
            await connection.execute("SELECT pg_reload_conf()")


def secret(folder: Path, name: str, text: str) -> str:
    """Return the file of a secret, as a supervisor provides it."""
    path = folder / f"secret-{name}"
    path.write_text(f"{text}\n")
    path.chmod(0o400)
    return str(path)


class ProtectedServices:
    """All services of the roles, and the settings of each role."""

    def __init__(self, folder: Path, mosquitto: SecureMosquitto, kafka: SecureKafka, database: str) -> None:
        self._folder = folder
        self._mosquitto = mosquitto
        self._authority = str(mosquitto.authority.certificate_file)
        self._kafka = kafka
        checked = urlencode({"sslmode": "verify-full", "sslrootcert": self._authority})
        self.uri = f"{database.replace('127.0.0.1', HOST)}?{checked}"
        self._api = mosquitto.authority.issue("api", HOST)
        self.http_port = free_port()

    def settings_of(self, role: str) -> dict[str, str]:
        state_dir = self._folder / f"state-{role}"
        state_dir.mkdir()
        broker = {
            "MQTT_HOST": HOST,
            "MQTT_PORT": str(self._mosquitto.port),
            "MQTT_TLS": "true",
            "MQTT_TLS_CA": self._authority,
            "MQTT_USERNAME": "livetwin-ingest-0",
            "MQTT_PASSWORD_FILE": secret(
                self._folder, "mqtt", self._mosquitto.passwords["livetwin-ingest-0"]
            ),
        }
        return {
            "CITY": "town",
            "STATE_DIR": str(state_dir),
            "KAFKA": self._kafka.bootstrap,
            "KAFKA_PROTOCOL": "SASL_SSL",
            "KAFKA_CA": self._authority,
            "KAFKA_USERNAME": f"livetwin-{role}",
            "KAFKA_PASSWORD_FILE": secret(self._folder, f"kafka-{role}", PASSWORDS[f"livetwin-{role}"]),
            "DATABASE_FILE": secret(self._folder, f"database-{role}", role_dsn(self.uri, role)),
            "SESSION_TIMEOUT_S": "6",
            "PORT": str(self.http_port),
            "TLS_CERT": str(self._api.certificate),
            "TLS_KEY": str(self._api.key),
            **(broker if role == "ingest" else {}),
        }


async def state_of(client: httpx.AsyncClient, street: str, roles: list[RoleProcess]) -> dict[str, Any]:
    """Return the state of a street as soon as it has one."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                document = (await client.get(f"/v1/entities/{street}/state")).json()
                if document["properties"]:
                    properties: dict[str, Any] = document["properties"]
                    return properties
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError("\n\n".join(role.log_tail() for role in roles)) from None


async def encrypted(dsn: str) -> dict[str, bool]:
    """Return for each of our roles whether all its connections to the database use TLS."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        rows = await connection.execute(
            "SELECT application_name, bool_and(ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) "
            "WHERE application_name LIKE 'livetwin-%' AND datname = current_database() GROUP BY 1"
        )
        return dict(await rows.fetchall())


async def test_an_observation_becomes_state_over_connections_that_are_all_protected(
    postgres: EmbeddedPostgres, database: str, service_folder: Path
) -> None:
    mosquitto = SecureMosquitto(service_folder, PLAN)
    authority = mosquitto.authority
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, PLAN)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(postgres_with_tls(postgres, service_folder, authority))
        server = authority.issue("kafka", HOST, "127.0.0.1")
        kafka = await stack.enter_async_context(secure_kafka(service_folder, server, passwords=PASSWORDS))
        await mosquitto.start()
        stack.push_async_callback(mosquitto.stop)
        place = ProtectedServices(service_folder, mosquitto, kafka, database)
        roles = [RoleProcess(role, place.settings_of(role), service_folder) for role in ROLES]
        for role in roles:
            stack.push_async_callback(role.stop)
        await asyncio.gather(*(role.start() for role in roles))
        topic, payload = noise_message(STREET, system_clock(), 61.5)
        with connected_account(mosquitto, microphone_of(STREET)) as microphone:
            other_topic, other = noise_message(OTHER, system_clock(), 99.0)
            assert await asyncio.to_thread(microphone.publish, other_topic, other) == "Not authorized"
            assert await asyncio.to_thread(microphone.publish, topic, payload) == "Success"
        trusted = ssl.create_default_context(cafile=authority.certificate_file)
        client = httpx.AsyncClient(base_url=f"https://{HOST}:{place.http_port}", verify=trusted)
        await stack.enter_async_context(client)
        found = await state_of(client, STREET, roles)
        assert found["noise_level"]["value"] == 61.5
        assert (await client.get(f"/v1/entities/{OTHER}/state")).json()["properties"] == {}
        assert set(kafka.authenticated) == PASSWORDS.keys()
        connections = await encrypted(database)
        assert {"livetwin-historian", "livetwin-api"} <= connections.keys()
        assert all(connections.values()), connections
        logs = "\n".join(role.log.read_text() for role in roles)
    for password in (*PASSWORDS.values(), mosquitto.passwords["livetwin-ingest-0"], place.uri):
        assert password not in logs


async def test_a_database_that_cannot_prove_who_it_is_gets_no_password(
    postgres: EmbeddedPostgres, database: str, service_folder: Path
) -> None:
    authority, stranger = (
        CertificateAuthority(service_folder),
        CertificateAuthority(service_folder, "stranger"),
    )
    async with postgres_with_tls(postgres, service_folder, authority):
        for host, trusted, message in (
            (HOST, stranger.certificate_file, "certificate verify failed"),
            ("127.0.0.1", authority.certificate_file, "does not match host name"),
        ):
            checked = urlencode({"sslmode": "verify-full", "sslrootcert": trusted})
            with pytest.raises(ServiceError, match=message):
                await connect(f"{database.replace('127.0.0.1', host)}?{checked}", role="test")
