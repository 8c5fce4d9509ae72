"""schemathesis tries each operation of the OpenAPI document, and compares each answer with the document."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from storage.database import connect
from storage.stores.tokens import create_token
from tests.integration.api.stored_city import StoredCity

CONFIGURATION = Path("tests/standards/schemathesis.toml").resolve()
SEED = 15
REQUEST_S_MAX = 30
RUN_S_MAX = 600

Finding = tuple[int, str]
"""An exit code, and what was printed."""


async def findings(document: dict[str, Any], base_url: str, *options: str) -> Finding:
    """Let schemathesis try the operations of a document at a base URL."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "openapi.json"
        path.write_text(json.dumps(document))
        return await _findings(path, base_url, *options)


async def _findings(path: Path, base_url: str, *options: str) -> Finding:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", str(path)),
        *("--url", base_url, "--seed", str(SEED), "--request-timeout", str(REQUEST_S_MAX)),
        *("--continue-on-failure", "--no-color", "--output-truncate", "false", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=path.parent,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(RUN_S_MAX):
            printed = await process.stdout.read()
            return await process.wait(), printed.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("role", ["anonymous", "admin"])
async def test_every_answer_is_as_documented(
    start_api: Any, kafka: str, log: Any, stored: StoredCity, role: str
) -> None:
    async with await connect(stored.dsn, role="test") as connection:
        key = await create_token(connection, "of admin", "admin")
    options = ("--header", f"Authorization: Bearer {key}") if role == "admin" else ()
    settings = {
        "client_requests_per_s": 0,
        "reply_key": "the key of the provider of text messages",
        # Answers that wait come at once.
        "stream_long_poll_s": 0.1,
        "stream_connection_s": 0.1,
    }
    async with start_api(kafka, model=stored.model, database=stored.dsn, **settings) as api:
        await log.write_updates("city.1", "city.2")
        await api.shows(2)
        document = (await api.client.get("/v1/openapi.json")).json()
        code, printed = await findings(document, f"{api.client.base_url}/v1", *options)
    assert code == 0, printed
    assert f"Tested: {len(list(_operations(document))) - 1}" in printed, printed


async def test_an_answer_that_is_not_as_documented_is_found(api: Any) -> None:
    document = (await api.client.get("/v1/openapi.json")).json()
    document["components"]["schemas"]["EntityTypePage"]["required"] = ["colour"]
    code, printed = await findings(document, f"{api.client.base_url}/v1", "--include-path", "/entity-types")
    assert code == 1
    assert "'colour' is a required property" in printed or '"colour" is a required property' in printed


def _operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    methods = {"get", "put", "post", "delete", "patch"}
    return [
        (path, method) for path, item in document["paths"].items() for method in item if method in methods
    ]
