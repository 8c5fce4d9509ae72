"""TLS contexts of clients and servers. Clients always check certificate and host name of a server."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from twin.errors import TwinError

VERSION_MIN = ssl.TLSVersion.TLSv1_2

SERVER_CIPHERS: tuple[str, ...] = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
"""Suites of TLS 1.2 that the guidelines of NCSC for TLS (2.1) call good; those of TLS 1.3 are."""


class TlsError(TwinError):
    """TLS files cannot be used; the message says which, and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files of a client. `names` are the settings of authorities, certificate and key, for messages."""

    authorities: Path | None = None  #: trusted authorities; None: those of the system
    certificate: Path | None = None  #: our certificate, with its chain
    key: Path | None = None  #: unencrypted; None: in the file of the certificate
    names: tuple[str, str, str]

    def context(self) -> ssl.SSLContext:
        """Return the context for connections. Raises TlsError."""
        authorities, certificate, key = self.names
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.authorities)
        except OSError as error:
            raise TlsError(
                f"{authorities}: {self.authorities} cannot be used ({_reason(error)}): "
                "expected certificates of authorities, PEM"
            ) from error
        context.minimum_version = VERSION_MIN
        if self.certificate is not None:
            _load_certificate(context, self.certificate, self.key, (certificate, key))
        return context


def server_context(certificate: Path, key: Path | None, names: tuple[str, str]) -> ssl.SSLContext:
    """Return the context of a server; `names` are the settings of the files. Raises TlsError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = VERSION_MIN
    context.set_ciphers(":".join(SERVER_CIPHERS))
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load_certificate(context, certificate, key, names)
    return context


def _load_certificate(
    context: ssl.SSLContext, certificate: Path, key: Path | None, names: tuple[str, str]
) -> None:
    try:
        # Without this argument OpenSSL would ask for a password on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise TlsError(
            f"{', '.join(names)}: {certificate} and {key or 'its key'} cannot be used ({_reason(error)}): "
            "expected a certificate and an unencrypted key, PEM"
        ) from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error)
