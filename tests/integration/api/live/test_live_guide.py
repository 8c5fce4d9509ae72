"""The examples of the guides to the live stream and to its client, as they are printed there."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.repository import ROOT

GUIDE = ROOT / "docs/how-to/live-stream.md"
CLIENT_GUIDE = ROOT / "docs/how-to/typescript-client.md"
CLIENT = ROOT / "clients/typescript"
DEADLINE_S = 60.0
COMMANDS = {"sh": ("sh", "-c"), "python": (sys.executable, "-c"), "js": ("node", "--input-type=module", "-e")}


@pytest.mark.parametrize("language", sorted(COMMANDS))
async def test_an_example_prints_the_snapshot_and_what_changes(language: str, api: Any, log: Any) -> None:
    if shutil.which(COMMANDS[language][0]) is None:
        pytest.skip(f"{COMMANDS[language][0]} is not installed")
    example = example_in(GUIDE, language)
    assert "http://localhost:8080/v1/live" in example
    await prints_snapshot_and_change(language, example, Path(__file__).parent, api, log)


@pytest.fixture
def folder_with_client(tmp_path: Path) -> Path:
    """A folder in which the TypeScript client is installed, as npm would from its package."""
    installed = tmp_path / "node_modules/livetwin-client"
    installed.mkdir(parents=True)
    shutil.copy(CLIENT / "package.json", installed)
    compiler = ROOT / "web/node_modules/.bin/tsc"
    subprocess.run([compiler, "--project", CLIENT, "--outDir", installed / "dist"], check=True)
    return tmp_path


async def test_the_example_of_the_typescript_client_does_so(
    folder_with_client: Path, api: Any, log: Any
) -> None:
    await prints_snapshot_and_change("js", example_in(CLIENT_GUIDE, "js"), folder_with_client, api, log)


def example_in(guide: Path, language: str) -> str:
    """Return the only example in this language."""
    block = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    (example,) = block.findall(guide.read_text("utf-8"))
    return str(example)


async def prints_snapshot_and_change(language: str, example: str, folder: Path, api: Any, log: Any) -> None:
    """Run the example in a folder, until it has printed both."""
    await log.write_updates("city.1")
    await api.shows(1)
    assert "http://localhost:8080" in example
    code = example.replace("http://localhost:8080", str(api.client.base_url).rstrip("/"))
    process = await asyncio.create_subprocess_exec(
        *COMMANDS[language],
        code,
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
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
