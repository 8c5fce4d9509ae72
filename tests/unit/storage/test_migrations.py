"""Migration files are named and numbered as the order in which they are applied."""

from __future__ import annotations

from storage.schema.migrate import NAME, migrations


def test_migrations_are_named_number_verb_noun() -> None:
    names = [one.name for one in migrations()]
    assert names
    assert [name for name in names if not NAME.fullmatch(name)] == []


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [int(one.name[:4]) for one in migrations()] == list(range(1, len(migrations()) + 1))
