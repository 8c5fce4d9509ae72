"""The README stays short: details belong in docs/; tests/e2e/test_tutorial.py runs the tutorial."""

from __future__ import annotations

from tests.support.repository import ROOT

README_LINES_MAX = 140


def test_the_readme_stays_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES_MAX, "move details into docs/"
