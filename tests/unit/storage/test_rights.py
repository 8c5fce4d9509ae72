"""Each right of a role is needed by a statement that the modules of the role can use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from storage.schema.rights import RIGHTS, Right, declared_rights, unassigned_tables
from tests.support.repository import ROOT, WHEEL_PACKAGES

QUERIES = ROOT / "storage/queries"
AGGREGATES = {"aggregate_minute", "aggregate_ten_minutes", "aggregate_hour", "aggregate_day"}

# Where the work of each role begins; all of them follow the model.
ENTRIES = {
    "ingest": ("ingest.service",),
    "stream": ("stream.service",),
    "historian": ("storage.historian.service", "storage.maintenance.service"),
    "alerting": ("alerting.service",),
    "outlets": ("outlets.service",),
    "api": ("api.service",),
}
MODEL = "storage.model.model_source"


def module_path(name: str) -> Path | None:
    path = ROOT / name.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


@cache
def imports_of(name: str) -> frozenset[str]:
    """Return the modules of ours that a module imports."""
    path = module_path(name)
    assert path is not None, name
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(one for one in found if one.split(".")[0] in WHEEL_PACKAGES and module_path(one))


def modules_of(role: str) -> set[str]:
    """Return every module that the process of a role imports."""
    found: set[str] = set()
    waiting = [*ENTRIES[role], MODEL]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(imports_of(name))
    return found


def statements_of(role: str) -> Iterator[str]:
    """Yield the statements that the modules of a role name, without comments."""
    names: set[str] = set()
    for module in modules_of(role):
        path = module_path(module)
        assert path is not None
        names.update(re.findall(r"\"([\w/]+)\"", path.read_text()))
    for name in sorted(names):
        file = QUERIES / f"{name}.sql"
        if file.exists():
            yield re.sub(r"--[^\n]*", "", file.read_text())


def is_for(right: Right, statement: str) -> bool:
    """Return whether a statement may need a right."""
    table = rf"(?:{right.table}|{{table}})" if right.table in AGGREGATES else right.table
    if not re.search(rf"\b{table}\b" if "{" not in table else table, statement):
        return False
    if right.column and not re.search(rf"\b{right.column}\b", statement):
        return False
    patterns = {
        "SELECT": ".",
        "INSERT": rf"(INSERT INTO|COPY|MERGE INTO) {table}",
        "UPDATE": rf"(UPDATE|MERGE INTO) {table}|INSERT INTO {table}[\s\S]*DO UPDATE|FOR UPDATE",
        "DELETE": rf"DELETE FROM {table}",
    }
    return re.search(patterns[right.privilege], statement) is not None


@pytest.mark.parametrize("role", RIGHTS)
def test_each_right_is_needed_by_a_statement_of_its_role(role: str) -> None:
    statements = list(statements_of(role))
    rights = [right for right in declared_rights() if right.role == role]
    assert not [right for right in rights if not any(is_for(right, one) for one in statements)]


@pytest.mark.parametrize(
    "right",
    [
        Right("outlets", "webhook", "UPDATE", "url"),
        Right("ingest", "observation", "SELECT"),
        Right("stream", "alarm", "UPDATE"),
        Right("api", "alarm_event", "DELETE"),
    ],
)
def test_a_right_that_no_statement_needs_is_found(right: Right) -> None:
    assert not any(is_for(right, one) for one in statements_of(right.role))


def test_a_table_about_which_nothing_is_declared_is_found() -> None:
    assert unassigned_tables(["observation", "schema_migration", "forgotten"]) == ["forgotten"]
