"""The declared indicators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.repository import ROOT
from twin.indicators.indicator import Indicator, IndicatorValue, Inputs, InputValue
from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, MINUTE
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.units import known_units
from twin.quality.quality_flags import QualityFlag

PAGE = ROOT / "docs" / "reference" / "indicators.md"

ROAD = {"freeFlowSpeed": 80, "capacity": 3200, "lanes": 2}
POLDER = {"targetLevel": -0.5, "alertLevel": -0.35, "dangerLevel": -0.2}
TRANSFORMER = {"connections": 240, "ratedPower": {"kVA": 400}}


def evaluate(name: str, inputs: Inputs, attributes: Mapping[str, Any] | None = None) -> IndicatorValue | None:
    return REGISTRY[name].evaluate(inputs, attributes or {})


def value(name: str, inputs: Inputs, attributes: Mapping[str, Any] | None = None) -> float | None:
    found = evaluate(name, inputs, attributes)
    return None if found is None else found.value


def now(**values: float) -> dict[str, InputValue]:
    return {name: InputValue(one, HOUR) for name, one in values.items()}


def row(one: Indicator) -> str:
    inputs = ", ".join(f"`{given.property}` ({given.averaging.replace('_', ' ')})" for given in one.inputs)
    cells = (f"`{one.name}`", one.unit, one.formula_text, inputs, one.roll_up, one.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def test_the_indicators_of_the_contract_exist() -> None:
    assert set(REGISTRY) >= {
        *("lki", "eaqi", "pm2_5_24h", "pm10_24h", "o3_8h"),
        *("traffic_intensity", "speed_ratio", "level_of_service"),
        *("freeboard", "level_deviation", "rate_of_rise"),
        *("transformer_load", "voltage_deviation", "net_power", "solar_feed_in"),
    }


@pytest.mark.parametrize("one", REGISTRY.values(), ids=REGISTRY)
def test_each_indicator_is_complete(one: Indicator) -> None:
    assert REGISTRY[one.name] is one
    assert one.name not in BUILT_IN_PROPERTIES
    assert one.unit in known_units() | {"m/h"}
    assert one.title.en != one.title.nl
    assert one.formula_text
    assert one.source
    assert {given.property for given in one.inputs} <= set(BUILT_IN_PROPERTIES) | {"transformer_power"}
    assert len({given.property for given in one.inputs}) == len(one.inputs)


@pytest.mark.parametrize("one", REGISTRY.values(), ids=REGISTRY)
def test_the_page_has_each_indicator(one: Indicator) -> None:
    assert row(one) in PAGE.read_text().splitlines(), (
        f"docs/reference/indicators.md lacks the row\n{row(one)}"
    )


@pytest.mark.parametrize("one", REGISTRY.values(), ids=REGISTRY)
def test_missing_or_suspect_inputs_give_no_value(one: Indicator) -> None:
    attributes = {**ROAD, **POLDER, **TRANSFORMER}
    suspect = {given.property: InputValue(1, HOUR, QualityFlag.STUCK) for given in one.inputs}
    assert one.evaluate({}, attributes) is None
    assert one.evaluate(suspect, attributes) is None


def test_the_lki_is_of_one_hour_and_names_its_inputs() -> None:
    inputs = now(o3=124, pm10=18, no2=6, pm2_5=7)
    assert evaluate("lki", inputs) == IndicatorValue(7, HOUR, 0, ("pm2_5", "pm10", "no2", "o3"))
    inputs["pm2_5"] = InputValue(12, 2 * HOUR)
    assert evaluate("lki", inputs) == IndicatorValue(2, 2 * HOUR, 0, ("pm2_5",))


def test_a_suspect_pollutant_is_left_out_of_the_index() -> None:
    inputs = now(o3=124, pm10=18) | {"pm2_5": InputValue(300, HOUR, QualityFlag.SPIKE)}
    assert evaluate("lki", inputs) == IndicatorValue(7, HOUR, 0, ("pm10", "o3"))
    assert evaluate("eaqi", inputs) == IndicatorValue(4, HOUR, 0, ("pm10", "o3"))


def test_a_running_mean_needs_enough_good_hours() -> None:
    hours = [InputValue(10.0 + number, number * HOUR) for number in range(24)]
    assert evaluate("pm10_24h", {"pm10": hours}) == IndicatorValue(21.5, 23 * HOUR, 0, ("pm10",))
    bad = [one._replace(flags=QualityFlag.SPIKE) for one in hours[:7]]
    assert evaluate("pm10_24h", {"pm10": [*bad, *hours[7:]]}) is None
    assert value("pm10_24h", {"pm10": [*bad[:6], *hours[6:]]}) == pytest.approx(24.5)


def test_ozone_is_averaged_over_eight_hours() -> None:
    hours = [InputValue(100.0 * (number >= 16), number * HOUR) for number in range(24)]
    assert value("o3_8h", {"o3": hours}) == 100


def test_intensity_is_from_rates_or_else_from_counts() -> None:
    count = InputValue(150, HOUR, coverage=0.8)
    assert value("traffic_intensity", {"vehicle_count": count}) == pytest.approx(1125)
    both = {"vehicle_count": count, "traffic_flow": InputValue(900, HOUR)}
    assert evaluate("traffic_intensity", both) == IndicatorValue(900, HOUR, 0, ("traffic_flow",))
    dead = both | {"traffic_flow": InputValue(900, 0)}
    assert value("traffic_intensity", dead) == pytest.approx(1125)
    assert value("intensity_capacity_ratio", both, ROAD) == pytest.approx(900 / 3200)


def test_an_empty_road_has_no_speed() -> None:
    assert value("speed_ratio", now(vehicle_speed=0, traffic_flow=0), ROAD) is None
    assert value("level_of_service", now(vehicle_speed=0, traffic_flow=0), ROAD) is None
    assert value("level_of_service", now(vehicle_speed=0, traffic_flow=600), ROAD) == 3


def test_the_flow_of_another_minute_does_not_explain_a_speed_of_zero() -> None:
    inputs = {"vehicle_speed": InputValue(0, HOUR), "traffic_flow": InputValue(600, HOUR - 2 * MINUTE)}
    assert value("speed_ratio", inputs, ROAD) is None


@pytest.mark.parametrize(("speed", "ratio", "level"), [(80, 1.0, 1), (48, 0.6, 2), (20, 0.25, 3)])
def test_traffic_is_relative_to_the_free_speed_of_its_road(speed: float, ratio: float, level: int) -> None:
    assert value("speed_ratio", now(vehicle_speed=speed), ROAD) == ratio
    assert value("level_of_service", now(vehicle_speed=speed), ROAD) == level
    assert value("speed_ratio", now(vehicle_speed=speed), {}) is None


def test_water_is_relative_to_the_levels_of_its_polder() -> None:
    inputs = now(water_level=-0.35)
    assert value("freeboard", inputs, POLDER) == pytest.approx(0.15)
    assert value("freeboard_share", inputs, POLDER) == pytest.approx(50)
    assert value("level_deviation", inputs, POLDER) == pytest.approx(0.15)
    assert value("level_deviation", inputs, {"targetLevel": -0.5}) == pytest.approx(0.15)
    assert value("freeboard", inputs, {"targetLevel": -0.5}) is None


def test_the_rate_of_rise_uses_the_last_hour() -> None:
    levels = [InputValue(0.01 * number, number * 10 * MINUTE) for number in range(20)]
    assert value("rate_of_rise", {"water_level": levels}) == pytest.approx(0.06)
    assert value("rate_of_rise", {"water_level": levels[-1]}) is None


def test_load_counts_reverse_flow_and_needs_the_rating() -> None:
    inputs = now(power_import=20.0, power_export=400.0)
    assert value("transformer_load", inputs, TRANSFORMER) == pytest.approx(100)
    assert value("transformer_load", inputs, TRANSFORMER | {"powerFactor": 1.0}) == pytest.approx(95)
    assert value("transformer_load", now(power_import=190.0), TRANSFORMER) == pytest.approx(50)
    assert value("transformer_load", inputs, {}) is None
    silent = inputs | {"power_export": InputValue(400.0, 0)}
    assert value("transformer_load", silent, TRANSFORMER) is None


def test_the_power_of_the_transformer_precedes_that_of_its_meters() -> None:
    inputs = now(transformer_power=-190.0, power_import=3.0, power_export=1.0)
    assert evaluate("transformer_load", inputs, TRANSFORMER) == IndicatorValue(
        50, HOUR, 0, ("transformer_power",)
    )
    inputs["transformer_power"] = InputValue(-190.0, HOUR, QualityFlag.STUCK)
    assert value("transformer_load", inputs, TRANSFORMER) is None
    older = inputs | {"transformer_power": InputValue(-190.0, 0)}
    assert evaluate("transformer_load", older, TRANSFORMER) == IndicatorValue(
        50, 0, 0, ("transformer_power",)
    )


def test_power_is_netted_within_one_window() -> None:
    inputs = now(power_import=30.0, power_export=10.0)
    assert value("net_power", inputs) == 20
    assert value("net_power", now(power_import=1.0, power_export=6.0)) == -5
    assert value("solar_feed_in", inputs) == 25
    assert value("net_power", now(power_import=30.0)) is None
    assert value("net_power", inputs | {"power_import": InputValue(30, 2 * HOUR)}) is None


def test_the_voltage_deviation_is_that_of_the_worst_phase_with_its_sign() -> None:
    inputs = now(voltage_l1=232.3, voltage_l2=207.0, voltage_l3=241.5)
    assert value("voltage_deviation", inputs) == pytest.approx(-10)
    assert value("voltage_deviation", now(voltage_l1=241.5)) == pytest.approx(5)
    second = {"voltage_l1": InputValue(254, HOUR, count=1, coverage=1 / 600)}
    assert value("voltage_deviation", second) is None
