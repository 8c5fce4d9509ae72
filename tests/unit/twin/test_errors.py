"""The error tree in `twin.errors` names every error class, and no other."""

from __future__ import annotations

import ast
import re

from tests.support.repository import ROOT
from twin import errors

PACKAGES = (
    "twin",
    "runtime",
    "ingest",
    "stream",
    "alerting",
    "storage",
    "api",
    "outlets",
    "cities",
    "simulators",
    "cli",
)


def error_classes() -> set[str]:
    """Return the names of all classes that are errors by their name."""
    return {
        node.name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
    }


def test_the_error_tree_names_every_error_class() -> None:
    named = set(re.findall(r"\b[A-Z]\w*Error\b", errors.__doc__ or ""))
    assert named == error_classes()
