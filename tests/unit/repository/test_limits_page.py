"""The page about limits names files, folders and settings that exist."""

from __future__ import annotations

import re

from tests.support.repository import ROOT

PAGE = (ROOT / "docs/reference/limits.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| input")]


def test_every_limit_names_where_it_is_and_what_tests_it() -> None:
    assert len(ROWS) > 40
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 5, row
        assert all(cells[:4]), row


def test_what_the_page_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", PAGE)) - {"build/fuzz/"}  # created by a run
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing, f"{missing}: no such file or folder"


def test_the_settings_of_the_page_exist() -> None:
    settings = (ROOT / "docs/reference/configuration.md").read_text()
    for name in set(re.findall(r"LIVETWIN_[A-Z_]+", PAGE)):
        assert f"`{name}`" in settings, f"{name}: docs/reference/configuration.md does not know it"
