"""docs/explanation/security.md: its threat model is complete, every test that it names exists, and so does
every topic.
"""

from __future__ import annotations

import ast
import re
from functools import cache

from runtime.kafka.rights import RIGHTS, RoleRights
from runtime.kafka.topics import DUTY_JOURNAL, OUTLETS_LEASE, partition_counts
from tests.support.repository import ROOT

PAGE = (ROOT / "docs/explanation/security.md").read_text()
MODEL = PAGE.partition("## Threat model\n")[2].partition("\n## ")[0]
LETTERS = "STRIDE"

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def boundaries() -> dict[str, list[list[str]]]:
    """Return the rows of each table of the threat model, without its header."""
    found = {}
    for section in MODEL.split("\n### ")[1:]:
        title, _, text = section.partition("\n")
        rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
        found[title] = [[cell.strip() for cell in row] for row in rows[2:]]
    return found


@cache
def functions_in(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.exists():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_boundary_goes_through_stride() -> None:
    found = boundaries()
    assert len(found) >= 8
    for title, rows in found.items():
        letters = [row[0] for row in rows]
        assert sorted(set(letters), key=LETTERS.index) == list(LETTERS), title
        assert letters == sorted(letters, key=LETTERS.index), f"{title}: in the order of STRIDE"


def test_every_row_names_the_test_that_proves_it() -> None:
    for title, rows in boundaries().items():
        for row in rows:
            assert len(row) == 4, f"{title}: {row}"
            assert _TEST.search(row[3]), f"{title}, {row[0]} {row[1]}: name a test"


def test_every_test_that_is_named_exists() -> None:
    named = _TEST.findall(PAGE)
    missing = [f"{path}::{name}" for path, name in named if name not in functions_in(path)]
    assert missing == [], (
        "docs/explanation/security.md: the test was renamed, or is gone; then what it proved is open"
    )
    assert len(named) > 60


def test_the_table_of_rights_is_what_the_code_declares() -> None:
    table = PAGE.partition("| role | reads | writes | consumer group |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    written = {
        row[0]: tuple(frozenset(re.findall(r"`([a-z-…]+)`", cell)) for cell in row[1:]) for row in rows
    }
    declared = {
        role: (
            frozenset({*rights.reads, *_own(rights)}),
            frozenset({*rights.writes, *_own(rights)}),
            frozenset({rights.group} if rights.group else ()),
        )
        for role, rights in RIGHTS.items()
    }
    assert written == declared, "docs/explanation/security.md: its table follows runtime/kafka/rights.py"


def _own(rights: RoleRights) -> tuple[str, ...]:
    return () if rights.own_topics is None else (f"{rights.own_topics}…",)


def test_every_topic_has_a_role_that_reads_it_and_one_that_writes_it() -> None:
    topics = {*partition_counts(1), DUTY_JOURNAL, OUTLETS_LEASE}
    assert {topic for rights in RIGHTS.values() for topic in rights.reads} == topics
    assert {topic for rights in RIGHTS.values() for topic in rights.writes} == topics
