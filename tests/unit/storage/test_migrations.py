"""Migration files are named and numbered in the order in which they are applied."""

from __future__ import annotations

from storage.schema.migrate import MIGRATION_NAME, known_migrations


def test_migrations_are_named_number_verb_noun() -> None:
    names = [one.name for one in known_migrations()]
    assert names
    assert [name for name in names if not MIGRATION_NAME.fullmatch(name)] == []


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [int(one.name[:4]) for one in known_migrations()] == list(range(1, len(known_migrations()) + 1))
