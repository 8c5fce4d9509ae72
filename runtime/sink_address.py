"""Allowed hosts of webhooks and rosters: protection against server-side request forgery (SSRF).

Without it, a user who may create webhooks could send requests to services behind our firewall. A receiver
must be on the public internet, or in a network that the settings allow. A host name is resolved when the
sender connects, and the checked address is the one that it connects to.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from twin.errors import TwinError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_CHARACTERS_MAX = 2_000

# RFC 6052: IPv6 addresses that contain an IPv4 address for a translator.
_NAT64_PREFIX = ipaddress.IPv6Network("64:ff9b::/96")


class SinkError(TwinError):
    """A receiver is not allowed; the message says what was found and what is expected."""


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list; raise ValueError for an invalid one.

    >>> parse_networks("10.1.0.0/16, ::1/128")
    (IPv4Network('10.1.0.0/16'), IPv6Network('::1/128'))
    """
    return tuple(ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip())


def _check_networks(text: str) -> str:
    parse_networks(text)
    return text


SinkNetworks: TypeAlias = Annotated[
    str,
    AfterValidator(_check_networks),
    Field(
        description="Networks beside the public internet that may receive webhooks and hold rosters; "
        "comma-separated, such as `10.1.0.0/16`."
    ),
]
"""A setting: what `parse_networks` reads."""


class SinkRules:
    """Allows HTTPS receivers on the public internet and in the `allowed` networks.

    Plain HTTP is allowed for receivers on this machine only.
    """

    def __init__(self, allowed: tuple[Network, ...] = ()) -> None:
        self._allowed = allowed

    def check_url(self, url: str) -> None:
        """Raise SinkError when a URL is not allowed; its host name is not resolved here."""
        if len(url) > URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url:
            raise SinkError(
                f"expected at most {URL_CHARACTERS_MAX} ASCII characters without spaces or line breaks"
            )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            # The text of the error repeats a part of the URL, which may be a secret.
            raise SinkError(
                "expected a URL such as https://example.org/hook, with a port up to 65535"
            ) from None
        if not host or port == 0:
            raise SinkError("expected a URL with a host, such as https://example.org/hook")
        if parts.username is not None or parts.fragment:
            raise SinkError("expected a URL without user, password and fragment")
        address = literal_address(host)
        if parts.scheme != "https" and not (
            parts.scheme == "http" and address is not None and address.is_loopback
        ):
            raise SinkError(
                f"found the scheme {parts.scheme!r}, expected https; http is allowed for this machine only"
            )
        if address is not None:
            self.check_address(address)

    def check_address(self, address: Address) -> None:
        """Raise SinkError when an address may not be connected to."""
        real = _embedded_ipv4(address)
        if any(real in network for network in self._allowed if network.version == real.version):
            return
        if not real.is_global or real.is_multicast:
            raise SinkError(
                f"{address} is not on the public internet; LIVETWIN_SINK_NETWORKS names further allowed "
                "networks"
            )


def literal_address(host: str) -> Address | None:
    """Return the address that a host denotes without a DNS look-up; None for a name.

    >>> literal_address("[::1]".strip("[]")), literal_address("localhost"), literal_address("example.org")
    (IPv6Address('::1'), IPv4Address('127.0.0.1'), None)
    """
    if host.lower() == "localhost":
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _embedded_ipv4(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address contains, if any: packets end there."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64_PREFIX:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
