"""Compression of bodies with gzip: which, and for whom (docs/decisions/0041)."""

from __future__ import annotations

import zlib
from functools import lru_cache

from api.http.header_values import parse_weighted

COMPRESSED_BYTES_MIN = 2 * 1024
"""A shorter body saves no packet worth the time."""

LEVEL = 4
"""Of zlib: of 9 levels the last that takes little longer than the first."""

_GZIP_WINDOW = 31

TEXTS = frozenset(
    {
        "application/atom+xml",
        "application/cap+xml",
        "application/geo+json",
        "application/javascript",
        "application/json",
        "application/manifest+json",
        "image/svg+xml",
        "text/calendar",
        "text/css",
        "text/html",
        "text/javascript",
        "text/plain",
    }
)
"""The media types that become shorter; events are not among them, since each must leave at once."""

CACHED_CHARACTERS_MAX = 256


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client prefers a body compressed with gzip; a malformed member counts for nothing.

    >>> [accepts_gzip(text) for text in ("gzip, br", "*", "gzip;q=0, *", "identity, gzip;q=0.5", "")]
    [True, True, False, False, False]
    """
    if len(accept_encoding) > CACHED_CHARACTERS_MAX:
        return _accepts_gzip(accept_encoding)
    return _accepts_gzip_cached(accept_encoding)


def accepts_brotli(accept_encoding: str) -> bool:
    """Whether a client takes a body compressed with Brotli as gladly as one with gzip, or as it is.

    >>> [accepts_brotli(text) for text in ("gzip, br", "*", "br;q=0", "br;q=0.5, gzip", "gzip")]
    [True, False, False, False, False]
    """
    weights = _weights(accept_encoding)
    brotli = weights.get("br", 0.0)
    others = (weights.get("gzip", 0.0), weights.get("x-gzip", 0.0), weights.get("identity", 0.0))
    return brotli > 0 and brotli >= max(others)


def _accepts_gzip(accept_encoding: str) -> bool:
    weights = _weights(accept_encoding)
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weights(accept_encoding: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for coding, parameters, quality in parse_weighted(accept_encoding):
        if not parameters:
            weights.setdefault(coding, quality)
    return weights


_accepts_gzip_cached = lru_cache(maxsize=1024)(_accepts_gzip)


def compress(body: bytes) -> bytes:
    """Return a body compressed with gzip; other threads run meanwhile."""
    return zlib.compress(body, LEVEL, wbits=_GZIP_WINDOW)
