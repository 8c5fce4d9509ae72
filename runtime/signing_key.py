"""Signing keys (Ed25519, RFC 8032), their public part as JWK, and detached signatures as JWS.

Standards: JSON Web Signature with detached content (RFC 7515, appendix F), Ed25519 in it (RFC 8037), and the
thumbprint of a key (RFC 7638), by which people compare keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from twin.errors import TwinError

ALGORITHM = "EdDSA"
SIGNATURE_CHARACTERS_MAX = 4_096
_RAW_KEY_BYTES = 32


class SigningError(TwinError):
    """A signing key or a signature cannot be used."""


class SigningKey:
    """A private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def from_pem(cls, pem: str) -> SigningKey:
        """Return the key in a PEM text (PKCS #8); raise SigningError when it is none."""
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningError(
                "the text is not an unencrypted private key (PEM, PKCS #8); `livetwin dossier key FILE` "
                "makes one"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SigningError(
                f"the key is an {type(key).__name__}, expected Ed25519; `livetwin dossier key FILE` makes one"
            )
        return cls(key)

    @property
    def public(self) -> PublicKey:
        """The public key."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, content: bytes, media_type: str) -> str:
        """Return the detached signature of some content, which must be kept beside it byte for byte.

        The header names the public key, so that a reader can show which key signed. A reader that trusts it
        for that reason alone trusts whoever wrote the file.
        """
        header = {
            "alg": ALGORITHM,
            "cty": media_type,
            "jwk": self.public.jwk(),
            "kid": self.public.thumbprint,
            "typ": "JOSE",
        }
        protected = _base64url(msgspec.json.encode(header))
        return f"{protected}..{_base64url(self._key.sign(_signing_input(protected, content)))}"


class PublicKey:
    """A public key."""

    def __init__(self, raw: bytes) -> None:
        """Raise SigningError unless these are the 32 bytes of a key."""
        if len(raw) != _RAW_KEY_BYTES:
            raise SigningError(f"the public key has {len(raw)} bytes, expected {_RAW_KEY_BYTES}")
        self._raw = raw

    @classmethod
    def from_jwk(cls, jwk: object) -> PublicKey:
        """Return the key in a JSON Web Key; raise SigningError for another kind of key."""
        if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != ("OKP", "Ed25519"):
            raise SigningError('the key is no JSON Web Key with "kty": "OKP" and "crv": "Ed25519"')
        return cls(_from_base64url(str(jwk.get("x", "")), "the member x of the key"))

    @property
    def thumbprint(self) -> str:
        """The SHA-256 thumbprint, base64url: 43 characters."""
        members = f'{{"crv":"Ed25519","kty":"OKP","x":"{_base64url(self._raw)}"}}'
        return _base64url(hashlib.sha256(members.encode()).digest())

    def jwk(self) -> dict[str, str]:
        """Return the key as JSON Web Key."""
        return {
            "alg": ALGORITHM,
            "crv": "Ed25519",
            "kid": self.thumbprint,
            "kty": "OKP",
            "use": "sig",
            "x": _base64url(self._raw),
        }

    def verify(self, signature: str, content: bytes) -> None:
        """Raise SigningError unless this key made a detached signature of this content."""
        protected, raw = _parts(signature)
        if signer_of(signature).thumbprint != self.thumbprint:
            raise SigningError(
                f"the key {signer_of(signature).thumbprint} signed, expected {self.thumbprint}"
            )
        try:
            Ed25519PublicKey.from_public_bytes(self._raw).verify(raw, _signing_input(protected, content))
        except InvalidSignature as error:
            raise SigningError("the signature is not one of this content: it was changed") from error


def signer_of(signature: str) -> PublicKey:
    """Return the key that a detached signature names in its header; raise SigningError without one."""
    protected, _ = _parts(signature)
    try:
        header: Any = msgspec.json.decode(_from_base64url(protected, "the header of the signature"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SigningError(f"the header of the signature is not JSON: {error}") from error
    if not isinstance(header, dict) or header.get("alg") != ALGORITHM or "crit" in header:
        raise SigningError(f"the header of the signature must name the algorithm {ALGORITHM}, and no `crit`")
    return PublicKey.from_jwk(header.get("jwk"))


def create_key_file(path: Path) -> PublicKey:
    """Write a new private key to a file that only its owner can read; raise SigningError if it exists.

    The key of a file is never replaced: what it has signed could no longer be verified.
    """
    key = Ed25519PrivateKey.generate()
    write_key_file(path, key)
    return SigningKey(key).public


def write_key_file(path: Path, key: PrivateKeyTypes) -> None:
    """Write a private key (PEM, PKCS #8) to a new file of its owner; raise SigningError if it exists."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SigningError(
            f"{path} cannot be created ({error.strerror}): name a new file in a folder that exists"
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(descriptor)


def _parts(signature: str) -> tuple[str, bytes]:
    parts = signature.split(".")
    if len(signature) > SIGNATURE_CHARACTERS_MAX or len(parts) != 3 or parts[1]:
        raise SigningError("the signature is not a detached JWS: expected HEADER..SIGNATURE")
    return parts[0], _from_base64url(parts[2], "the signature")


def _signing_input(protected: str, content: bytes) -> bytes:
    return f"{protected}.{_base64url(content)}".encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text: str, what: str) -> bytes:
    """Return the bytes of a text, which must be written as `_base64url` writes them."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise SigningError(f"{what} is not base64url") from error
    if _base64url(data) != text:
        raise SigningError(f"{what} is not base64url as RFC 7515 writes it")
    return data
