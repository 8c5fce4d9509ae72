"""HTTPS of the api: by certificate, with strict transport security, and without old versions of TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from api.service import run
from api.settings import ApiSettings
from runtime.tls import TlsError
from tests.support.brokers.certificate_authority import CertificateAuthority
from tests.support.brokers.secure_mosquitto import OPENSSL_CONFIGURATION
from tests.support.brokers.tls_scan import (
    GOOD_CIPHERS,
    GOOD_GROUPS,
    GOOD_TLS13_CIPHERS,
    accepted_ciphers,
    accepted_groups,
    tls13_cipher,
)
from tests.support.cities.model_source import FakeModelSource
from tests.support.http.documented_client import documented_client
from tests.support.repository import ROOT
from twin.model.city_model import CityModel

AWAY = "postgresql://nobody@127.0.0.1:9/none"
DEADLINE_S = 20.0
PATH = "/v1/health/live"


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path)


@pytest_asyncio.fixture
async def served(
    kafka: str,
    model: CityModel,
    free_port: int,
    authority: CertificateAuthority,
    request: pytest.FixtureRequest,
) -> AsyncIterator[int]:
    """The port of an api that serves HTTPS, with a certificate of the algorithm that is the parameter."""
    identity = authority.issue("api", "localhost", use_rsa=getattr(request, "param", "ECDSA") == "RSA")
    settings = ApiSettings(
        city="city",
        kafka=kafka,
        port=free_port,
        database=AWAY,
        tls_cert=identity.certificate,
        tls_key=identity.key,
    )
    role = asyncio.create_task(run(settings, FakeModelSource(model)))
    trusted = ssl.create_default_context(cafile=authority.certificate_file)
    async with asyncio.timeout(DEADLINE_S), documented_client(verify=trusted) as client:
        while not await _ready(client, free_port):  # noqa: ASYNC110 - over HTTP there is no event
            await asyncio.sleep(0.02)
    yield free_port
    role.cancel()
    with suppress(asyncio.CancelledError):
        await role


async def _ready(client: httpx.AsyncClient, port: int) -> bool:
    with suppress(httpx.TransportError):
        return (await client.get(f"https://localhost:{port}/v1/health/ready")).status_code == 200
    return False


async def test_https_is_served_with_strict_transport_security(
    served: int, authority: CertificateAuthority
) -> None:
    trusted = ssl.create_default_context(cafile=authority.certificate_file)
    async with documented_client(verify=trusted) as client:
        response = await client.get(f"https://localhost:{served}{PATH}")
        stream = client.stream("GET", f"https://localhost:{served}/v1/live")
        async with stream as live:
            assert (await anext(live.aiter_lines())).startswith("id: ")
    assert response.status_code == 200
    assert response.headers["strict-transport-security"] == "max-age=31536000"


async def test_a_client_without_the_authority_does_not_connect(served: int) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(f"https://localhost:{served}{PATH}")


async def test_plain_http_is_not_answered(served: int) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://localhost:{served}{PATH}")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_old_versions_of_tls_are_refused(served: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # else it is our own OpenSSL that refuses

    def spoken(version: ssl.TLSVersion) -> str | None:
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(("localhost", served)) as plain,
            context.wrap_socket(plain) as secure,
        ):
            return secure.version()

    assert await asyncio.to_thread(spoken, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        await asyncio.to_thread(spoken, ssl.TLSVersion.TLSv1_1)


async def test_a_certificate_that_cannot_be_used_is_an_error_that_names_its_setting(
    kafka: str, model: CityModel, tmp_path: Path
) -> None:
    settings = ApiSettings(city="city", kafka=kafka, database=AWAY, tls_cert=tmp_path / "none.crt")
    with pytest.raises(TlsError, match=r"LIVETWIN_TLS_CERT, LIVETWIN_TLS_KEY: .*No such file"):
        await run(settings, FakeModelSource(model))


@pytest.mark.parametrize("served", ["ECDSA", "RSA"], indirect=True)
async def test_only_suites_that_ncsc_calls_good_are_accepted(served: int) -> None:
    address = "localhost", served
    suites = await asyncio.to_thread(accepted_ciphers, address)
    assert suites
    assert suites <= GOOD_CIPHERS
    assert await asyncio.to_thread(tls13_cipher, address) in GOOD_TLS13_CIPHERS


SERVER = """
import ssl, sys
from pathlib import Path
from socket import create_server
from runtime.tls import server_context

context = server_context(Path(sys.argv[1]), Path(sys.argv[2]), ("certificate", "key"))
with create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()
"""


def test_with_the_shipped_configuration_of_openssl_only_good_curves_are_accepted(
    authority: CertificateAuthority,
) -> None:
    identity = authority.issue("api", "localhost", use_rsa=True)
    environment = {**os.environ, "OPENSSL_CONF": str(OPENSSL_CONFIGURATION), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, identity.certificate, identity.key],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            address = "127.0.0.1", int(server.stdout.readline())
            assert accepted_groups(address) == GOOD_GROUPS
        finally:
            server.kill()
