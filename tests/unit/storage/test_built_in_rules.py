"""Digests of built-in quality rules change with the rules, and with nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.model.built_in_rules import built_in_rules, rules_digest
from twin.instant import DAY, HOUR
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Retention
from twin.quality.quality_rules import StuckRule

LEVEL = BUILT_IN_PROPERTIES["water_level"]


def test_every_built_in_property_has_a_digest() -> None:
    assert built_in_rules().keys() == BUILT_IN_PROPERTIES.keys()


@pytest.mark.parametrize(
    "other",
    [
        replace(LEVEL, quality=replace(LEVEL.quality, maximum=4.0)),
        replace(LEVEL, quality=replace(LEVEL.quality, stuck=StuckRule(count=3, duration_min=HOUR))),
        replace(LEVEL, quality=replace(LEVEL.quality, late_after=DAY)),
        replace(LEVEL, aggregation="max"),
        replace(LEVEL, wraps_at=65536.0),
    ],
)
def test_other_rules_have_another_digest(other: ObservedProperty) -> None:
    assert rules_digest(other) != rules_digest(LEVEL)


def test_what_judges_nothing_does_not_change_the_digest() -> None:
    assert rules_digest(replace(LEVEL, retention=Retention(raw=DAY), roll_up="max")) == rules_digest(LEVEL)
