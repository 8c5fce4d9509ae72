"""Pseudonyms: what stands in quarantine instead of the number of a household's meter."""

from __future__ import annotations

import base64
import hashlib
import hmac

# 80 bits: two of a billion meters share a pseudonym with a probability below one in a million.
DIGEST_BYTES = 10
KEY_BYTES_MIN = 16


class Pseudonymiser:
    """Gives identifiers pseudonyms by HMAC-SHA-256 (RFC 2104) under a key of the city.

    The same identifier has the same pseudonym under one key, so that messages of one meter can be told to
    belong together; without the key a pseudonym cannot even be checked against a guessed meter number.
    """

    def __init__(self, key: bytes) -> None:
        """Take the key; raises ValueError when it is too short to be a secret."""
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(
                f"the pseudonym key has {len(key)} bytes, expected at least {KEY_BYTES_MIN}; "
                "set LIVETWIN_PSEUDONYM_KEY to a longer random text"
            )
        self._key = key

    def __call__(self, identifier: str) -> str:
        """Return the pseudonym: 16 characters, a to z and 2 to 7.

        >>> Pseudonymiser(b"sixteen bytes or")("4B384547")
        'ewrqu4gsnj7k4usi'
        """
        digest = hmac.digest(self._key, identifier.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.b32encode(digest[:DIGEST_BYTES]).decode("ascii").lower()
