"""Finds out what a TLS server accepts: offers it each cipher suite of TLS 1.2, and each group."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

GOOD_CIPHERS = frozenset(
    f"ECDHE-{key}-{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in ("AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305")
)
GOOD_TLS13_CIPHERS = frozenset(
    {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"}
)
"""NCSC, ICT-beveiligingsrichtlijnen voor Transport Layer Security 2.1, B2-1 to B3-1 and C-1: good."""
GOOD_GROUPS = frozenset({"secp384r1", "prime256v1", "X448", "X25519"})

_GROUPS = (
    *GOOD_GROUPS,
    *("secp521r1", "secp224r1", "secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"),
    *("ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"),
)
_ALL = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
_TIMEOUT_S = 20.0


def accepted_ciphers(address: tuple[str, int]) -> set[str]:
    """Return the suites of TLS 1.2 that a server accepts, from all that our OpenSSL can offer."""
    context = _client(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(_ALL)
    names = [str(one["name"]) for one in context.get_ciphers() if not str(one["name"]).startswith("TLS_")]
    return set(_accepted_ciphers(address, names))


def tls13_cipher(address: tuple[str, int]) -> str:
    """Return the suite of TLS 1.3 that a server chooses."""
    found = _handshake(address, _client(ssl.TLSVersion.TLSv1_3))
    assert found is not None
    return found


def accepted_groups(address: tuple[str, int]) -> set[str]:
    """Return the groups of a key exchange in TLS 1.3 that a server accepts."""
    found = set()
    for group in _GROUPS:
        context = _client(ssl.TLSVersion.TLSv1_3)
        context.set_ecdh_curve(group)
        if _handshake(address, context) is not None:
            found.add(group)
    return found


def _accepted_ciphers(address: tuple[str, int], names: list[str]) -> Iterator[str]:
    for name in names:
        context = _client(ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(f"{name}:@SECLEVEL=0")
        if _handshake(address, context) is not None:
            yield name


def _client(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


def _handshake(address: tuple[str, int], context: ssl.SSLContext) -> str | None:
    """Return the suite that was agreed on; None when the server refuses."""
    with socket.create_connection(address, _TIMEOUT_S) as plain:
        try:
            with context.wrap_socket(plain) as secured:
                cipher = secured.cipher()
        except (ssl.SSLError, ConnectionError):
            return None
    assert cipher is not None
    return cipher[0]
