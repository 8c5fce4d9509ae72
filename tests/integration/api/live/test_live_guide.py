"""The examples of the guide to the live stream, as they are printed there."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.repository import ROOT

GUIDE = ROOT / "docs/how-to/live-stream.md"
DEADLINE_S = 60.0
COMMANDS = {"sh": ("sh", "-c"), "python": (sys.executable, "-c"), "js": ("node", "--input-type=module", "-e")}


@pytest.mark.parametrize("language", sorted(COMMANDS))
async def test_an_example_prints_the_snapshot_and_what_changes(language: str, api: Any, log: Any) -> None:
    if shutil.which(COMMANDS[language][0]) is None:
        pytest.skip(f"{COMMANDS[language][0]} is not installed")
    await log.write_updates("city.1")
    await api.shows(1)
    block = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    (example,) = block.findall(GUIDE.read_text("utf-8"))
    assert "http://localhost:8080/v1/live" in example
    code = example.replace("http://localhost:8080", str(api.client.base_url).rstrip("/"))
    process = await asyncio.create_subprocess_exec(
        *COMMANDS[language],
        code,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            await until(process.stdout, "snapshot", "city.1")
            await log.write_updates("city.2")
            await until(process.stdout, "state", "city.2")
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # The shell, too, has a child.
        await process.wait()


async def until(output: asyncio.StreamReader, event: str, entity: str) -> None:
    """Read until the event was printed, and after it the entity."""
    found = False
    async for line in output:
        found = found or event in line.decode()
        if found and entity in line.decode():
            return
    raise AssertionError("the example ended")
