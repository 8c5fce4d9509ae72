"""The default rules: complete, consistent with the plausible range, and tolerant of real events."""

from __future__ import annotations

import pytest

from twin.instant import DAY, HOUR
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_check import CONTEXT_MAX
from twin.quality.quality_rules import DEFAULT_QUALITY_RULES, TIME_RULES_ONLY, QualityRules


def test_every_built_in_property_has_rules_and_no_other() -> None:
    assert set(DEFAULT_QUALITY_RULES) == set(BUILT_IN_PROPERTIES)


@pytest.mark.parametrize("name", sorted(DEFAULT_QUALITY_RULES))
def test_the_normal_range_lies_within_the_possible_one(name: str) -> None:
    rules, possible = DEFAULT_QUALITY_RULES[name], BUILT_IN_PROPERTIES[name]
    low = possible.minimum if rules.minimum is None else rules.minimum
    high = possible.maximum if rules.maximum is None else rules.maximum
    assert possible.minimum <= low < high <= possible.maximum


@pytest.mark.parametrize("name", sorted(DEFAULT_QUALITY_RULES))
def test_rules_are_positive_and_fit_the_context(name: str) -> None:
    rules = DEFAULT_QUALITY_RULES[name]
    assert rules.late_after > 0
    assert rules.skew_after > 0
    assert rules.rate_max is None or rules.rate_max > 0
    assert rules.disagreement is None or rules.disagreement > 0
    if rules.spike is not None:
        assert 5 <= rules.spike.window <= CONTEXT_MAX
        assert rules.spike.deviation_min > 0
        assert rules.spike.threshold > 0
    if rules.stuck is not None:
        assert rules.stuck.count > 1
        assert rules.stuck.duration_min >= HOUR


def test_time_rules_only_do_not_check_the_value() -> None:
    assert QualityRules() == TIME_RULES_ONLY
    assert (
        TIME_RULES_ONLY.minimum,
        TIME_RULES_ONLY.maximum,
        TIME_RULES_ONLY.rate_max,
        TIME_RULES_ONLY.spike,
        TIME_RULES_ONLY.stuck,
    ) == (None,) * 5


def test_registers_power_and_switches_have_no_rule_for_the_value() -> None:
    for name in ("energy_import", "energy_export_t2", "power_import", "water_volume", "pump_state"):
        assert DEFAULT_QUALITY_RULES[name] == TIME_RULES_ONLY, name


def test_particulates_have_no_rule_for_steps() -> None:
    for name in ("pm1", "pm2_5", "pm10"):
        assert DEFAULT_QUALITY_RULES[name].spike is None
        assert DEFAULT_QUALITY_RULES[name].rate_max is None


def test_zero_rain_may_last_but_zero_traffic_not_for_a_day() -> None:
    rain, cars = DEFAULT_QUALITY_RULES["rainfall"].stuck, DEFAULT_QUALITY_RULES["vehicle_count"].stuck
    assert rain is not None
    assert 0.0 in rain.except_values
    assert cars is not None
    assert cars.except_values == ()
    assert cars.duration_min == DAY
