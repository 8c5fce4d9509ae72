"""Generates the types of the TypeScript client from the served OpenAPI document, and compares them.

    python -m tests.standards.client_types           the committed file is what is generated now
    python -m tests.standards.client_types --write   write it

A warning of the generator and a member without a type are faults: whoever generates a client of their own
would have them, too.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.standards.served_document import served_document
from tests.support.repository import ROOT

GENERATOR = ROOT / "web/node_modules/.bin/openapi-typescript"
TYPES = ROOT / "clients/typescript/src/openapi.ts"

# Members with a default may be left out of a request.
_OPTIONS = ("--empty-objects-unknown", "--default-non-nullable=false")

# What the generator prints of itself and of the file that it wrote.
_REPORT = re.compile(r"✨ openapi-typescript [\d.]+|🚀 .+ → .+")

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r'"[^"\n]*"')
# Headers and other members beyond those that are described, and members of requests that are ignored.
_OPEN = re.compile(r"\[(?:name|key): string\]: unknown|Record<string, unknown>|readonly \w+\??: unknown;")


class GeneratorError(Exception):
    """The generator failed, or printed a warning."""


def without_examples(part: Any) -> Any:
    """Return a part of the document without its examples: as comments they are half of the types' file."""
    if isinstance(part, dict):
        # A property may have the name `example`: its value is a schema with members, in `properties`.
        return {
            key: {name: without_examples(each) for name, each in value.items()}
            if key == "properties"
            else without_examples(value)
            for key, value in part.items()
            if key not in ("example", "examples")
        }
    return [without_examples(each) for each in part] if isinstance(part, list) else part


def types_of(document: bytes) -> str:
    """Return the types of an OpenAPI document; raise GeneratorError, also for a warning."""
    with TemporaryDirectory() as temporary:
        source, target = Path(temporary) / "openapi.json", Path(temporary) / "openapi.ts"
        source.write_text(json.dumps(without_examples(json.loads(document))))
        ran = subprocess.run(
            [GENERATOR, source, *_OPTIONS, "--output", target],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line.strip() for line in (ran.stdout + ran.stderr).splitlines()]
        faults = [line for line in lines if line and not _REPORT.fullmatch(line)]
        if ran.returncode != 0 or faults or not target.is_file():
            raise GeneratorError("\n".join(faults) or f"openapi-typescript ended with {ran.returncode}")
        return target.read_text("utf-8")


def untyped(types: str) -> list[str]:
    """Return the lines that have no type.

    >>> untyped("a: unknown;")
    ['a: unknown;']
    >>> untyped('/** @enum {unknown} */ a: "unknown" | "any"; [name: string]: unknown;')
    []
    """
    code = _OPEN.sub("", _TEXT.sub('""', _COMMENT.sub("", types)))
    return [line.strip() for line in code.splitlines() if re.search(r"\b(?:unknown|any)\b", line)]


def main(arguments: list[str]) -> int:
    """Compare the types, or write them; return the exit code."""
    if not GENERATOR.is_file():
        print(f"{GENERATOR} is missing: run `make setup`")
        return 1
    try:
        types = types_of(asyncio.run(served_document()))
    except GeneratorError as error:
        print(f"The OpenAPI document does not become types without a warning:\n{error}")
        return 1
    if "--write" in arguments:
        TYPES.write_text(types, "utf-8")
    lines = [f"{TYPES.relative_to(ROOT)}: without a type: {line}" for line in untyped(types)]
    if not TYPES.is_file() or TYPES.read_text("utf-8") != types:
        lines.append(
            f"{TYPES.relative_to(ROOT)} is not what the API's description says: run "
            "`.venv/bin/python -m tests.standards.client_types --write` and commit it"
        )
    print(*lines, sep="\n", end="\n" if lines else "")
    print(f"Types of the TypeScript client: {len(lines)} faults")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
