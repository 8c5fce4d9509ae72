"""The conformance tests of Durable Streams, as far as they are about reading JSON and text."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.repository import ROOT

FOLDER = ROOT / "tests/durable_streams"
DEADLINE_S = 120.0

GROUPS = (
    "Basic Stream Operations",
    "Read Operations",
    "Long-Poll",
    "HTTP Protocol",
    "Browser Security Headers",
    "HEAD Metadata",
    "Offset Validation and Resumability",
    "Protocol Edge Cases",
    "Caching and ETag",
    "Chunking and Large Payloads",
    "Read-Your-Writes Consistency",
    "SSE Mode",
    "JSON Mode",
)
"""The others are about writing: idempotent producers, expiry, closing, forks."""

NOT_READ = ("seq ", "sequence ordering", "TTL", "base64", "binary", "Stream-SSE-Data-Encoding")
"""In the names of tests of these groups about what the stream of the api has not: writers, expiry, bytes."""

PASSED = 114
"""So that a test which is not found any more, or left out by mistake, is noticed."""


async def test_the_conformance_tests_about_reading_pass(tmp_path: Path) -> None:
    names = rf"^ ?(?!.*({'|'.join(NOT_READ)}))({'|'.join(GROUPS)})"
    report = tmp_path / "report.json"
    async with (
        asyncio.timeout(DEADLINE_S),
        running(sys.executable, "-m", "tests.durable_streams.writable_streams", folder=ROOT) as server,
    ):
        assert server.stdout is not None
        url = (await server.stdout.readline()).decode().strip()
        options = (f"--testNamePattern={names}", "--reporter=json", f"--outputFile={report}")
        vitest = ("node", "node_modules/vitest/vitest.mjs", "run", "reading.test.mjs", *options)
        async with running(*vitest, folder=FOLDER, STREAMS_URL=url) as tests:
            output, _ = await tests.communicate()
    assert report.exists(), output.decode()
    results = [
        each for file in json.loads(report.read_text())["testResults"] for each in file["assertionResults"]
    ]
    failed = [
        f"{each['fullName']}: {each['failureMessages'][0]}" for each in results if each["status"] == "failed"
    ]
    assert failed == []
    assert sum(each["status"] == "passed" for each in results) == PASSED


@asynccontextmanager
async def running(
    *command: str, folder: Path, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
