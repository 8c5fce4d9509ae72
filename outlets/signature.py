"""Signatures of webhooks, as Standard Webhooks has them: HMAC-SHA-256 over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac


def sign(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`; `timestamp` is in seconds since 1970.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    signed = hmac.digest(secret, b"%b.%d.%b" % (id.encode(), timestamp, body), hashlib.sha256)
    return "v1," + base64.b64encode(signed).decode()
