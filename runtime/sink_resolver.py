"""Resolves the host names of outgoing requests, and refuses addresses that may not be connected to."""

from __future__ import annotations

import errno
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from runtime.sink_address import SinkError, SinkRules, literal_address


class CheckedResolver(AbstractResolver):
    """The resolver of an HTTP client: the address that it checks is the one that the client connects to."""

    def __init__(self, rules: SinkRules) -> None:
        self._rules = rules
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises OSError when one of them is not allowed."""
        addresses = await self._resolver.resolve(host, port, family)
        for resolved in addresses:
            address = literal_address(resolved["host"])
            try:
                if address is None:
                    raise SinkError(f"{resolved['host']} is not an IP address")
                self._rules.check_address(address)
            except SinkError as error:
                raise OSError(errno.EACCES, str(error)) from None
        return addresses

    async def close(self) -> None:
        """Do nothing: the resolver holds nothing open."""
