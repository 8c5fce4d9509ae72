"""TLS: who our clients trust, and who we are. Certificate and host name of servers are always checked."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from twin.errors import TwinError

VERSION_MIN = ssl.TLSVersion.TLSv1_2


class TlsError(TwinError):
    """Files of TLS cannot be used; says which, and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files of a client. `names` are their settings, for messages: authorities, certificate, key."""

    authorities: Path | None = None  #: who is trusted; None: whom the system trusts
    certificate: Path | None = None  #: ours, with the chain up to its authority
    key: Path | None = None  #: of our certificate, not encrypted; None: in the same file
    names: tuple[str, str, str]

    def context(self) -> ssl.SSLContext:
        """Return what connections are made with. Raises TlsError."""
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
    """Return what a server shows; `names` are the settings of the files. Raises TlsError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = VERSION_MIN
    _load_certificate(context, certificate, key, names)
    return context


def _load_certificate(
    context: ssl.SSLContext, certificate: Path, key: Path | None, names: tuple[str, str]
) -> None:
    try:
        # Without a password OpenSSL would ask for one on the terminal.
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
