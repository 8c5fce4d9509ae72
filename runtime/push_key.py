"""The key by which this server identifies itself to push services: VAPID (RFC 8292), without an account.

A browser subscribes with the public key. A push service then takes messages for the subscription only with a
token that the private key has signed.
"""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from runtime.signing_key import write_key_file
from twin.errors import TwinError
from twin.instant import HOUR, SECOND, Duration, Instant

TOKEN_VALID: Duration = 12 * HOUR
"""How long a token is valid; RFC 8292, section 2, allows 24 hours, by the clock of the push service."""

_COORDINATE_BYTES = 32


class PushKeyError(TwinError):
    """The setting is not a key of web push."""


class PushKey:
    """A private key on the curve P-256."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def from_pem(cls, pem: str) -> PushKey:
        """Return the key in a PEM text (PKCS #8); raise PushKeyError when it is none."""
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PushKeyError(
                f"LIVETWIN_PUSH_KEY is not an unencrypted private key (PEM): {_MAKE}"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise PushKeyError(f"LIVETWIN_PUSH_KEY is not a key on the curve P-256: {_MAKE}")
        return cls(key)

    @property
    def public(self) -> str:
        """The public key as browsers take it (`applicationServerKey`): an uncompressed point, base64url."""
        return base64url(
            self._key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
        )

    def authorization(self, endpoint: str, subject: str, now: Instant) -> str:
        """Return the header `Authorization` of a request to an endpoint.

        `subject` is the URI of whom the push service may contact; empty: it is left out.
        """
        parts = urlsplit(endpoint)
        claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": (now + TOKEN_VALID) // SECOND}
        if subject:
            claims["sub"] = subject
        signed = f"{_HEADER}.{base64url(msgspec.json.encode(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)
        return f"vapid t={signed}.{base64url(signature)}, k={self.public}"


def create_push_key_file(path: Path) -> PushKey:
    """Write a new key to a file that only its owner can read; raise SigningError if it exists.

    Browsers are subscribed with this key: with another one they must subscribe again.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    write_key_file(path, key)
    return PushKey(key)


def base64url(data: bytes) -> str:
    """Return base64url without padding, as RFC 7515 writes it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_HEADER = base64url(b'{"typ":"JWT","alg":"ES256"}')
_MAKE = "`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one"
