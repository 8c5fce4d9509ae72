"""Runs the official rulesets of the NLGov REST API Design Rules over the served OpenAPI document.

    python -m tests.standards.lint_openapi RULESETS

RULESETS is the folder of the rulesets, nlgov-linter-2.1.yaml and nlgov-linter-2.2rc1.yaml. Logius publishes
them without a licence of their own, so they are no part of this repository. Neither an error nor a warning is
accepted, except for the overrides below, and each of these must still be needed.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.standards.served_document import served_document

SPECTRAL = Path(__file__).parent / "node_modules/.bin/spectral"


class Override(NamedTuple):
    """A rule that the document breaks on purpose."""

    ruleset: str
    rule: str
    date: str
    reason: str
    path: str = ""  #: in the document; all places by default

    def explains(self, finding: dict[str, Any]) -> bool:
        """Whether it is about a finding."""
        path = ".".join(map(str, finding["path"]))
        return bool(finding["code"] == self.rule and path.startswith(self.path))


RULESETS = ("nlgov-linter-2.1.yaml", "nlgov-linter-2.2rc1.yaml")

OVERRIDES = (
    Override(
        "nlgov-linter-2.1.yaml",
        "openapi3",
        "2026-12-01",
        "the document is OpenAPI 3.1, whose schemas are JSON Schema; version 2.2 of the rules accepts it",
    ),
    Override(
        "nlgov-linter-2.2rc1.yaml",
        "nlgov:specify-format-for-date-and-time",
        "2026-12-01",
        "upToDate is no date: the Durable Streams protocol prescribes the name",
        "components.schemas.StreamPosition.properties.upToDate",
    ),
)


def findings(ruleset: Path, document: Path) -> list[dict[str, Any]]:
    """Return what Spectral finds with a ruleset; raise RuntimeError when it fails."""
    ran = subprocess.run(
        [SPECTRAL, "lint", "--ruleset", ruleset, "--format", "json", "--quiet", document],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: list[dict[str, Any]] = json.loads(ran.stdout)
    except ValueError:
        raise RuntimeError(f"{ruleset.name}: Spectral failed: {ran.stdout}{ran.stderr}") from None
    return found


def faults(ruleset: Path, document: Path) -> list[str]:
    """Return the findings that no override explains, and the overrides that nothing needs any more."""
    accepted = [each for each in OVERRIDES if each.ruleset == ruleset.name]
    found = findings(ruleset, document)
    lines = [
        f"{ruleset.name}: {each['code']} at {'.'.join(map(str, each['path']))}: {each['message']}"
        for each in found
        if not any(override.explains(each) for override in accepted)
    ]
    unneeded = [one.rule for one in accepted if not any(map(one.explains, found))]
    return lines + [f"{ruleset.name}: the override of {rule} is not needed: remove it" for rule in unneeded]


def main(folder: Path) -> int:
    """Run both rulesets; return the exit code."""
    if not folder.is_dir():
        # Whoever has only the repository may check all the rest.
        print(f"NOT CHECKED: {folder} has no rulesets of the NLGov REST API Design Rules; set NLGOV_RULESETS")
        return 0
    lines: list[str] = []
    with TemporaryDirectory() as temporary:
        document = Path(temporary) / "openapi.json"
        document.write_bytes(asyncio.run(served_document()))
        for name in RULESETS:
            lines += faults(folder / name, document)
    print(*lines, sep="\n", end="\n" if lines else "")
    accepted = ", ".join(f"{each.rule} ({each.date})" for each in OVERRIDES)
    print(f"NLGov REST API Design Rules: {len(lines)} faults; overrides: {accepted}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
