"""The page for authors of rules is correct: its examples are rules, its tables have every key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cities import default_city
from cities.folder_reader import read_city
from cities.rules.conditions import ValueItem
from cities.rules.document import RuleItem, read_rule
from tests.support.cities.city_folders import write_city_folder
from tests.support.repository import ROOT
from twin.alarms.rules.rule import Rule
from twin.model.city_model import CityModel

PAGE = (ROOT / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.fixture(scope="module")
def alkmaar() -> CityModel:
    return read_city(default_city()).model(1)


def test_the_first_example_is_the_rule_of_alkmaar(alkmaar: CityModel) -> None:
    (item,) = BLOCKS[0]["rules"]
    found = read_rule(item, alkmaar)
    assert isinstance(found, Rule)
    assert found.condition == alkmaar.rules["high-water"].condition


@pytest.mark.parametrize("block", BLOCKS[1:], ids=lambda block: next(iter(block["when"])))
def test_each_example_of_a_condition_is_valid(block: dict[str, Any], alkmaar: CityModel) -> None:
    outage = block["when"].get("outage")
    selected = {"types": ["Gateway"]} if outage else {"within": ["alkmaar"]}
    rule = {
        "id": "example",
        "title": {"en": "Example", "nl": "Voorbeeld"},
        "theme": "water",
        "select": selected,
        **block,
    }
    assert isinstance(read_rule(rule, alkmaar), Rule)


def test_the_tables_have_every_key() -> None:
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE))))
    for kind in (RuleItem, ValueItem):
        keys = {one.alias or name for name, one in kind.model_fields.items()}
        assert keys - documented - {"value", "severity"} == set()


def test_a_folder_without_rules_has_none(tmp_path: Path) -> None:
    assert read_city(write_city_folder(tmp_path, rules=None)).rules == ()
