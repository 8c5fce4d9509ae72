"""Pseudonyms: they replace the number of a household's meter in kept payloads."""

from __future__ import annotations

import base64
import hashlib
import hmac

# 80 bits: among a billion meters, two share a pseudonym with a probability below one in a million.
DIGEST_BYTES = 10
KEY_BYTES_MIN = 16


class Pseudonymiser:
    """Replaces identifiers by pseudonyms: HMAC-SHA-256 (RFC 2104) with a key of the city.

    With one key an identifier always has the same pseudonym, so messages of one meter can be related. Without
    the key, nobody can check a pseudonym against a guessed meter number.
    """

    def __init__(self, key: bytes) -> None:
        """Raise ValueError when the key is too short to be a secret."""
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
