"""Encryption of a message for one browser: Message Encryption for Web Push (RFC 8291), as one record.

The content coding is `aes128gcm` (RFC 8188). The push service sees the length of a message and nothing else.
Pure but for the key and the salt of each message, which the caller may give.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

RECORD_BYTES_MAX = 4_096
"""The longest body that each push service takes (RFC 8030, section 7.2; RFC 8291, section 4)."""

_SALT_BYTES = 16
_POINT_BYTES = 65
_TAG_BYTES = 16
_HEADER_BYTES = _SALT_BYTES + 4 + 1 + _POINT_BYTES
_LAST_RECORD = b"\x02"

PAYLOAD_BYTES_MAX = RECORD_BYTES_MAX - _HEADER_BYTES - len(_LAST_RECORD) - _TAG_BYTES
"""The longest message: 3,993 bytes."""


def encrypt_push(
    payload: bytes,
    p256dh: bytes,
    auth: bytes,
    *,
    sender: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Return the body of the request for a message.

    `p256dh` is the public key of the subscription, `auth` its secret. Each message has a new `sender` key and
    `salt`; tests give them. Raises ValueError for a point that is not on the curve, or a longer payload.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"the message has {len(payload)} bytes, expected at most {PAYLOAD_BYTES_MAX}")
    sender = ec.generate_private_key(ec.SECP256R1()) if sender is None else sender
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    receiver = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p256dh)
    point = sender.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    secret = sender.exchange(ec.ECDH(), receiver)
    material = _hkdf(secret, auth, b"WebPush: info\0" + p256dh + point, 32)
    key = _hkdf(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(material, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD_BYTES_MAX.to_bytes(4) + bytes([len(point)]) + point
    return header + AESGCM(key).encrypt(nonce, payload + _LAST_RECORD, None)


def _hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)
