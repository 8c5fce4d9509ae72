"""Kafka behind TLS and SCRAM: a proxy in front of the embedded broker, which supports neither.

The proxy terminates TLS and authenticates clients (RFC 5802; Kafka's SaslHandshake and SaslAuthenticate).
Before a client is authenticated it forwards ApiVersions alone.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.ports import free_port
from tests.support.brokers.certificate_authority import Identity

_API_VERSIONS = 18
_SASL_HANDSHAKE = 17
_SASL_AUTHENTICATE = 36
_FAILED = 58  # SASL_AUTHENTICATION_FAILED
_ITERATIONS = 4096


class ProxiedKafka(EmbeddedKafka):
    """The embedded broker; the address that it advertises is that of the proxy."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder)
        self._public_port = port

    @property
    def advertised(self) -> str:
        return f"127.0.0.1:{self._public_port}"


class ScramServer:
    """The server's side of one authentication with SCRAM-SHA-512."""

    def __init__(self, passwords: dict[str, str]) -> None:
        self._passwords = passwords
        self._first = ""
        self._user = ""
        self.passed = False

    def answer(self, message: bytes) -> bytes | None:
        """Return the next message to the client, or None when the password is wrong."""
        return self._begin(message.decode()) if not self._first else self._end(message.decode())

    def _begin(self, message: str) -> bytes:
        bare = message.removeprefix("n,,")
        fields = dict(one.split("=", 1) for one in bare.split(","))
        self._user, self._salt = fields["n"], secrets.token_bytes(16)
        salt = base64.b64encode(self._salt).decode()
        challenge = f"r={fields['r']}{secrets.token_hex(8)},s={salt},i={_ITERATIONS}"
        self._first = f"{bare},{challenge}"
        return challenge.encode()

    def _end(self, message: str) -> bytes | None:
        without_proof, _, proof = message.rpartition(",p=")
        signed = f"{self._first},{without_proof}".encode()
        password = self._passwords.get(self._user, secrets.token_hex())
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), self._salt, _ITERATIONS)
        key = hmac.digest(salted, b"Client Key", "sha512")
        signature = hmac.digest(hashlib.sha512(key).digest(), signed, "sha512")
        expected = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        self.passed = hmac.compare_digest(expected, base64.b64decode(proof))
        server_key = hmac.digest(salted, b"Server Key", "sha512")
        verifier = base64.b64encode(hmac.digest(server_key, signed, "sha512"))
        return b"v=" + verifier if self.passed else None


class TlsProxy:
    """Listens with TLS; where there are `passwords`, clients must authenticate."""

    def __init__(self, port: int, target: int, context: ssl.SSLContext, passwords: dict[str, str]) -> None:
        self._port = port
        self._target = target
        self._context = context
        self._passwords = passwords
        self.authenticated: list[str] = []  #: the user of each connection that authenticated

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
            tasks.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", self._port, ssl=self._context)
        try:
            yield
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        backward: asyncio.Task[None] | None = None
        try:
            if not self._passwords or await self._admit(reader, writer, inner_reader, inner_writer):
                backward = asyncio.create_task(_copy(inner_reader, writer))
                await _copy(reader, inner_writer)
        finally:
            if backward is not None:
                backward.cancel()
                await asyncio.gather(backward, return_exceptions=True)
            for stream in (inner_writer, writer):
                stream.close()
                with suppress(OSError):
                    await stream.wait_closed()

    async def _admit(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inner_reader: asyncio.StreamReader,
        inner_writer: asyncio.StreamWriter,
    ) -> bool:
        """Authenticate the client; return whether it succeeded. Otherwise the connection must be closed."""
        scram = ScramServer(self._passwords)
        while not scram.passed:
            size = await reader.readexactly(4)
            request = await reader.readexactly(int.from_bytes(size))
            api, version, correlation, name_size = struct.unpack_from(">hhih", request)
            body = request[10 + max(0, name_size) :]
            if api == _API_VERSIONS:
                inner_writer.write(size + request)
                writer.write(await _versions(inner_reader, version))
            elif api == _SASL_HANDSHAKE:
                _write_response(writer, correlation, struct.pack(">hi", 0, 1) + _string("SCRAM-SHA-512"))
            elif api == _SASL_AUTHENTICATE:
                answer = scram.answer(body[4:])
                words = struct.pack(">hh", 0, -1) if answer is not None else struct.pack(">h", _FAILED)
                words += b"" if answer is not None else _string("wrong user name or password")
                words += struct.pack(">i", len(answer or b"")) + (answer or b"")
                _write_response(writer, correlation, words + (struct.pack(">q", 0) if version else b""))
                if answer is None:
                    await writer.drain()
                    return False
            else:
                return False
        self.authenticated.append(scram._user)
        return True


async def _versions(reader: asyncio.StreamReader, version: int) -> bytes:
    """Return the broker's answer to ApiVersions, with the two SASL requests added."""
    size = int.from_bytes(await reader.readexactly(4))
    answer = await reader.readexactly(size)
    assert version == 0, "version 0 has correlation, error, and for each api: key, least, greatest"
    correlation, error, count = struct.unpack_from(">ihi", answer)
    ours = struct.pack(">6h", _SASL_HANDSHAKE, 0, 1, _SASL_AUTHENTICATE, 0, 1)
    body = struct.pack(">ihi", correlation, error, count + 2) + answer[10:] + ours
    return struct.pack(">i", len(body)) + body


def _write_response(writer: asyncio.StreamWriter, correlation: int, body: bytes) -> None:
    writer.write(struct.pack(">ii", 4 + len(body), correlation) + body)


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


class SecureKafka:
    """The address of a secure Kafka, and the users that authenticated."""

    def __init__(self, bootstrap: str, proxy: TlsProxy) -> None:
        self.bootstrap = bootstrap
        self._proxy = proxy

    @property
    def authenticated(self) -> list[str]:
        return self._proxy.authenticated


@asynccontextmanager
async def secure_kafka(
    folder: Path,
    server: Identity,
    *,
    client_authority: Path | None = None,
    passwords: dict[str, str] | None = None,
) -> AsyncIterator[SecureKafka]:
    """Run a broker behind TLS; `client_authority` requires client certificates that it has signed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*server)
    if client_authority is not None:
        context.load_verify_locations(client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    port = free_port()
    broker = ProxiedKafka(folder, port)
    await broker.start()
    proxy = TlsProxy(port, broker.port, context, passwords or {})
    try:
        async with proxy.running():
            yield SecureKafka(f"localhost:{port}", proxy)
    finally:
        await broker.stop()
