"""Runs the parser of the AsyncAPI initiative over the served AsyncAPI document.

python -m tests.standards.lint_asyncapi
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.standards.served_document import served_document

FOLDER = Path(__file__).parent


def main() -> int:
    """Run the parser; return the exit code."""
    if not (FOLDER / "node_modules/@asyncapi/parser").is_dir():
        print("NOT CHECKED: the parser of AsyncAPI is not installed; run `make setup`")
        return 0
    with TemporaryDirectory() as temporary:
        document = Path(temporary) / "asyncapi.json"
        document.write_bytes(asyncio.run(served_document("asyncapi.json")))
        return subprocess.run(["node", FOLDER / "parse_asyncapi.mjs", document], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
