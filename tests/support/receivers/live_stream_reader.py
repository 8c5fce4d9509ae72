"""Reads the live stream of a running api."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx

DEADLINE_S = 60.0


class LiveStreamReader:
    """Reads a stream of Server-Sent Events; `check` fails on an event that is not as it should be."""

    def __init__(
        self, response: httpx.Response, check: Callable[[str, str, dict[str, Any]], None] | None = None
    ) -> None:
        self._lines = response.aiter_lines()
        self._check = check

    async def next(self) -> tuple[str, str, dict[str, Any]]:
        """Return id, name and data of the next event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE_S):
            async for line in self._lines:
                if not line and "data" in fields:
                    event = fields["id"], fields["event"], json.loads(fields["data"])
                    if self._check is not None:
                        self._check(*event)
                    return event
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
        raise AssertionError("the stream ended")

    async def snapshot(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the events of a snapshot."""
        found = [await self.next()]
        while not found[-1][2].get("complete"):
            found.append(await self.next())
        assert {name for _, name, _ in found} == {"snapshot"}
        return found

    async def ended(self) -> bool:
        """Return True when the stream ends in time; otherwise raise TimeoutError."""
        async with asyncio.timeout(DEADLINE_S):
            async for _ in self._lines:
                pass
        return True
