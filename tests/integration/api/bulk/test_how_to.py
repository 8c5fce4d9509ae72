"""The examples of docs/how-to/bulk-download.md, as a researcher runs them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

from tests.integration.api.bulk.stored_readings import END, START, Readings
from tests.support.repository import ROOT
from twin.instant import format_instant

PAGE = (ROOT / "docs" / "how-to" / "bulk-download.md").read_text()
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL)
ROWS = 2 * 288


async def run(kind: str, code: str, folder: Path) -> str:
    command = ["bash", "-euc", code] if kind == "sh" else [sys.executable, "-W", "error", "-c", code]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, f"{code}\n{errors.decode()}"
    return output.decode()


async def test_the_examples_run(start_api: Any, kafka: str, readings: Readings, tmp_path: Path) -> None:
    assert [kind for kind, _ in BLOCKS] == ["sh", "python", "python", "python", "python"]
    async with start_api(kafka, model=readings.city.model, database=readings.city.dsn) as api:
        outputs = []
        for kind, block in BLOCKS:
            code = block.replace("http://localhost:8080", str(api.client.base_url).rstrip("/"))
            # The readings of this test, in several parts.
            for shown, tested in (
                ("2026-11-01T00:00:00Z", format_instant(START)),
                ("2026-12-01T00:00:00Z", format_instant(END)),
                ("1_000_000", "250"),
            ):
                code = code.replace(shown, tested)
            outputs.append(await run(kind, code, tmp_path))
    _, daily, means, known_at, parts = outputs
    assert "city.0" in daily
    assert "readings" in daily
    assert "city.1" in means
    assert re.fullmatch(r"\d{4}-.*Z\n", known_at)
    assert parts == f"[({ROWS},)]\n"
    assert sorted(await asyncio.to_thread(os.listdir, tmp_path)) == [
        *(f"part-{number:04}.parquet" for number in range(3)),
        "pm.parquet",
    ]
