"""A change of the model that is undone leaves the rows as they were before it."""

from __future__ import annotations

import pytest

from storage.model.model_history import undone
from storage.model.model_rows import ENTITY_TABLE, ModelRow, row_changes

BEFORE: list[ModelRow] = [
    {"id": "canal", "name": "Canal", "attributes": {"targetLevel": -0.5}, "active": True},
    {"id": "mill", "name": "Mill", "attributes": {}, "active": False},
    {"id": "polder", "name": "Polder", "attributes": {}, "active": True},
]


def planned(*rows: ModelRow) -> list[ModelRow]:
    return [{name: value for name, value in row.items() if name != "active"} for row in rows]


@pytest.mark.parametrize(
    ("action", "plan"),
    [
        ("update", planned({**BEFORE[0], "attributes": {"targetLevel": 9}}, BEFORE[2])),
        ("retire", planned(BEFORE[0])),
        ("revive", planned(BEFORE[0], {**BEFORE[1], "name": "Old mill"}, BEFORE[2])),
        ("create", planned(BEFORE[0], {"id": "new", "name": "New", "attributes": {}}, BEFORE[2])),
    ],
)
def test_what_an_apply_changes_is_undone(action: str, plan: list[ModelRow]) -> None:
    (change,) = row_changes(ENTITY_TABLE, BEFORE, plan)
    assert change.action == action
    after = [row for row in BEFORE if row["id"] != change.key] + [change.row]
    rows = undone(ENTITY_TABLE, after, change.key, change.action, change.difference)
    assert sorted(rows, key=lambda row: str(row["id"])) == BEFORE
