"""A client that openapi-python-client generates from the OpenAPI document: no warning, and typed answers."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.standards.served_document import served_document

CONFIGURATION = Path("tests/standards/openapi-python-client.yml").resolve()
SIGNATURE = re.compile(r"^def sync_detailed\(.*?\) -> Response\[(.*?)\]:$", re.MULTILINE | re.DOTALL)
UNTYPED = {"Any", "Problem"}
"""Answers without content, and refusals."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asyncio.run(served_document()))
    return found


def generate(folder: Path, document: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    """Generate a client into the folder `client`; a warning is a failure."""
    (folder / "openapi.json").write_text(json.dumps(document))
    command = [
        *(sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json"),
        *("--output-path", "client", "--meta", "none", "--fail-on-warning", *options),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_client_is_generated_without_a_warning_and_has_typed_answers(
    document: dict[str, Any], tmp_path: Path
) -> None:
    done = generate(tmp_path, document, "--config", str(CONFIGURATION))
    assert done.returncode == 0, done.stdout + done.stderr
    expected = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in {"get", "put", "post", "delete"}
    ]
    modules = [path for path in (tmp_path / "client" / "api").glob("*/*.py") if path.name != "__init__.py"]
    assert len(modules) == len(expected)
    untyped = []
    for path in modules:
        found = SIGNATURE.search(path.read_text())
        assert found, path
        if not {name.strip() for name in found[1].split("|")} - UNTYPED:
            untyped.append(path.stem)
    assert sorted(untyped) == sorted(_without_content(document))


def test_a_warning_of_the_generator_is_a_failure(document: dict[str, Any], tmp_path: Path) -> None:
    done = generate(tmp_path, document)
    assert done.returncode != 0
    assert "application/zip" in done.stdout + done.stderr


def _without_content(document: dict[str, Any]) -> list[str]:
    """Return the operations, in snake case, whose success has no content."""
    return [
        re.sub(r"(?<!^)(?=[A-Z])", "_", operation["operationId"]).lower()
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in {"get", "put", "post", "delete"}
        and not any("content" in one for status, one in operation["responses"].items() if status[0] == "2")
    ]
