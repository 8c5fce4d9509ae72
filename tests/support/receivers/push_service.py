"""A push service over TLS (RFC 8030), and browsers that subscribe at it and decrypt by RFC 8291.

The decryption is written from the RFC with HMAC alone, so it shares no code with the encryption it checks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.brokers.certificate_authority import CertificateAuthority
from twin.instant import INSTANT_MAX, Instant
from twin.model.duty import PushSubscription


class PushRequest(NamedTuple):
    """A message as the push service got it."""

    path: str
    headers: dict[str, str]
    body: bytes


class PushService:
    """Answers with `status`, or the one of a path in `statuses`; `hangs` and `drops`: it gives none."""

    def __init__(self, folder: Path) -> None:
        authority = CertificateAuthority(folder, "push-authority")
        identity = authority.issue("push-service", "127.0.0.1")
        self.requests: list[PushRequest] = []
        self.status = 201
        self.statuses: dict[str, int] = {}
        self.hangs = False
        self.drops = False
        self.trust = ssl.create_default_context(cafile=authority.certificate_file)
        self._over = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.requests.append(PushRequest(self.path, dict(self.headers), body))
                if service.drops:
                    self.connection.close()
                    return
                if service.hangs:
                    service._over.wait()
                    return
                answer = f"no subscription {self.path}".encode()
                self.send_response(service.statuses.get(self.path, service.status))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(identity.certificate, identity.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop as if the process was killed: connections are refused from then on."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Browser:
    """A browser with its keys."""

    def __init__(self, service: PushService, name: str, contact: str = "first") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)
        self.path = f"/send/{name}"
        self.subscription = PushSubscription(
            id=name,
            contact=contact,
            endpoint=service.url + self.path,
            p256dh=_text(self._point),
            auth=_text(self._auth),
            expires=INSTANT_MAX,
        )

    def expiring(self, at: Instant) -> PushSubscription:
        """Return its subscription with another end."""
        known = self.subscription
        return PushSubscription(
            id=known.id,
            contact=known.contact,
            endpoint=known.endpoint,
            p256dh=known.p256dh,
            auth=known.auth,
            expires=at,
        )

    @property
    def _point(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def decrypt(self, body: bytes) -> dict[str, Any]:
        """Return the message in a body (RFC 8188, section 2, and RFC 8291, section 3.4)."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        point, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size, "one record"
        secret = self._key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        )
        info = b"WebPush: info\x00" + self._point + point + b"\x01"
        material = _hmac(_hmac(self._auth, secret), info)
        pseudo = _hmac(salt, material)
        key = _hmac(pseudo, b"Content-Encoding: aes128gcm\x00\x01")[:16]
        nonce = _hmac(pseudo, b"Content-Encoding: nonce\x00\x01")[:12]
        plain = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\x00")
        assert plain[-1:] == b"\x02", "the last record"
        found: dict[str, Any] = json.loads(plain[:-1])
        return found


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
