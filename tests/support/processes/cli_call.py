"""Calls of the command line as an operator makes them, in a process of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import NamedTuple


class Ended(NamedTuple):
    """How a call ended."""

    code: int | None
    out: str
    err: str


async def call_cli(*arguments: str, **settings: str) -> Ended:
    """Call the command line with settings, such as `database`, and return how it ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *arguments,
        env={**os.environ, **{f"LIVETWIN_{name.upper()}": value for name, value in settings.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ended(process.returncode, out.decode(), err.decode())
