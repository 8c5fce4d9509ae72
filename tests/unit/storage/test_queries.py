"""Every statement has a file, every file is used, and each describes itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import storage

PACKAGE = Path(storage.__file__).parent
FOLDER = PACKAGE / "queries"
FILES = sorted(FOLDER.rglob("*.sql"))
NAMES = {str(one.relative_to(FOLDER).with_suffix("")) for one in FILES}
SOURCES = [one.read_text() for one in PACKAGE.rglob("*.py") if one.parent != FOLDER]


def used_names() -> set[str]:
    called = re.compile(r"\bquery\(\s*\"([\w/]+)\"")
    named = re.compile(r"_query=\"([\w/]+)\"")
    return {name for text in SOURCES for pattern in (called, named) for name in pattern.findall(text)}


def test_every_name_in_use_is_a_file() -> None:
    assert used_names() - NAMES == set()


def test_every_file_is_in_use() -> None:
    # Some names are chosen in one place and read in another.
    quoted = {name for text in SOURCES for name in re.findall(r"\"([\w/]+)\"", text)}
    assert NAMES - quoted == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_query_describes_what_it_does_and_names_its_index(path: Path) -> None:
    what, index, *statement = path.read_text().splitlines()
    assert re.fullmatch(r"-- [A-Z].+\.", what)
    assert re.match(r"-- (No index\b|[a-z_]+_(pkey|key|by|is|newest|state|with))", index), index
    assert any(line and not line.startswith("--") for line in statement)


def test_python_files_contain_no_sql() -> None:
    hidden = re.compile(r"\"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|COPY|SET)\s")
    assert not [text[:60] for text in SOURCES if hidden.search(text)]
