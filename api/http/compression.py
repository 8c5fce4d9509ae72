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
        return _accepts(accept_encoding, ("gzip", "x-gzip"))
    return _accepts_cached(accept_encoding, ("gzip", "x-gzip"))


def accepts_brotli(accept_encoding: str) -> bool:
    """Whether a client prefers a body compressed with Brotli (RFC 7932).

    >>> [accepts_brotli(text) for text in ("gzip, br", "gzip", "br;q=0, *", "")]
    [True, False, False, False]
    """
    if len(accept_encoding) > CACHED_CHARACTERS_MAX:
        return _accepts(accept_encoding, ("br",))
    return _accepts_cached(accept_encoding, ("br",))


def _accepts(accept_encoding: str, names: tuple[str, ...]) -> bool:
    weights: dict[str, float] = {}
    for coding, parameters, quality in parse_weighted(accept_encoding):
        if not parameters:
            weights.setdefault(coding, quality)
    weight = next((weights[name] for name in names if name in weights), weights.get("*", 0.0))
    return weight > 0 and weight >= weights.get("identity", 0.0)


_accepts_cached = lru_cache(maxsize=1024)(_accepts)


def compress(body: bytes) -> bytes:
    """Return a body compressed with gzip; other threads run meanwhile."""
    return zlib.compress(body, LEVEL, wbits=_GZIP_WINDOW)
