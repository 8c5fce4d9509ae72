"""Signatures of Standard Webhooks: HMAC-SHA-256 over id, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of secrets


def sign(secret: bytes, id: str, timestamp: str, body: bytes) -> str:
    """Return the value of the header `webhook-signature`; `timestamp` is in seconds since 1970."""
    signed = hmac.digest(secret, b"%b.%b.%b" % (id.encode(), timestamp.encode(), body), hashlib.sha256)
    return "v1," + base64.b64encode(signed).decode()
