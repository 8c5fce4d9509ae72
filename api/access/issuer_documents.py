"""Documents of an issuer, bounded in time and size: its metadata (OpenID Connect Discovery 1.0), its keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from twin.errors import TwinError
from twin.wire.codec import DECODE_ERRORS

FETCH_TIMEOUT_S = 5.0
DOCUMENT_BYTES_MAX = 256 * 1024
URL_CHARACTERS_MAX = 2_000

# Of a name or an address; the host becomes part of a header, the content security policy.
_HOST = re.compile(r"[A-Za-z0-9._:-]+")


class IssuerError(TwinError):
    """An issuer cannot be asked, or its answer cannot be used."""


def issuer_session() -> aiohttp.ClientSession:
    """Return a session for documents of an issuer; the caller closes it."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S),
        auto_decompress=False,
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "livetwin"},
    )


def is_safe_url(url: str) -> bool:
    """Return whether documents and keys may be fetched from a URL: by https, or by http from this machine.

    >>> is_safe_url("https://sso.example.nl"), is_safe_url("http://sso.example.nl")
    (True, False)
    >>> is_safe_url("https://[::1"), is_safe_url("https://sso.example:x"), is_safe_url("https://a;b")
    (False, False, False)
    >>> is_safe_url("http://127.0.0.1:4000/jwks")
    True
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not _HOST.fullmatch(host):
        return False
    local = host in ("127.0.0.1", "::1", "localhost")
    return parts.scheme == "https" or (parts.scheme == "http" and local)


def origin_of(url: str) -> str:
    """Return the origin of a URL, as browsers write it.

    >>> origin_of("https://SSO.example.nl:443/realms/city"), origin_of("http://127.0.0.1:4000/jwks")
    ('https://sso.example.nl', 'http://127.0.0.1:4000')
    """
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_default = parts.port in (None, {"https": 443, "http": 80}[parts.scheme])
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{parts.port}"


def endpoint_of(metadata: Mapping[str, Any], name: str) -> str:
    """Return a URL in the metadata of an issuer; raise IssuerError for one that may not be used."""
    url = metadata.get(name)
    if not isinstance(url, str) or len(url) > URL_CHARACTERS_MAX or not is_safe_url(url):
        raise IssuerError(f"its metadata has the {name} {str(url)[:100]!r}, expected an https URL")
    return url


async def fetch_metadata(session: aiohttp.ClientSession, issuer: str) -> dict[str, Any]:
    """Return the metadata of an issuer; raise IssuerError."""
    metadata = await fetch_document(session, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if metadata.get("issuer") != issuer:
        raise IssuerError(f"its metadata has the issuer {str(metadata.get('issuer'))[:100]!r}")
    return metadata


async def fetch_document(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Return the JSON object at a URL; raise IssuerError. Redirects are not followed."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise IssuerError(f"{url} answers {response.status}, expected 200")
            content = await response.content.read(DOCUMENT_BYTES_MAX + 1)
            while len(content) <= DOCUMENT_BYTES_MAX and not response.content.at_eof():
                content += await response.content.read(DOCUMENT_BYTES_MAX + 1 - len(content))
    except TimeoutError:
        raise IssuerError(f"{url} did not answer within {FETCH_TIMEOUT_S:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise IssuerError(f"{url} cannot be reached: {type(error).__name__}") from None
    if len(content) > DOCUMENT_BYTES_MAX:
        raise IssuerError(f"{url} has more than {DOCUMENT_BYTES_MAX} bytes")
    try:
        document: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except DECODE_ERRORS:
        raise IssuerError(f"{url} is not a JSON object") from None
    return document
