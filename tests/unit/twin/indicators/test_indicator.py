"""The handling of inputs by any indicator."""

from __future__ import annotations

import math

import pytest

from twin.indicators.indicator import (
    Attributes,
    Indicator,
    IndicatorValue,
    Input,
    InputValue,
    UsableInputs,
    by_name,
    number,
)
from twin.instant import HOUR, MINUTE
from twin.model.bilingual_text import BilingualText
from twin.quality.quality_flags import QualityFlag


def total(given: UsableInputs, attributes: Attributes) -> float | None:
    return math.fsum(value.value for values in given.values() for value in values)


def an_indicator(*inputs: Input, same_time: bool = False, attributes: tuple[str, ...] = ()) -> Indicator:
    return Indicator(
        name="total",
        unit="1",
        theme="device",
        title=BilingualText("Total", "Totaal"),
        inputs=inputs,
        attributes=attributes,
        roll_up="none",
        same_time=same_time,
        formula=total,
        formula_text="the sum of all that is given",
        source="none",
    )


A, B = Input(property="a", averaging="instant"), Input(property="b", averaging="instant")
OPTIONAL_B = Input(property="b", averaging="instant", need="optional")
IF_GIVEN_B = Input(property="b", averaging="instant", need="if_given")
SPIKE = InputValue(9, MINUTE, QualityFlag.SPIKE)


def test_the_value_has_the_newest_time_and_all_flags_of_its_inputs() -> None:
    inputs = {
        "a": InputValue(1, MINUTE, QualityFlag.LATE),
        "b": InputValue(2, 2 * MINUTE, QualityFlag.ESTIMATED),
        "c": InputValue(4, 3 * MINUTE, QualityFlag.TIME_OF_RECEPTION),
    }
    expected = IndicatorValue(3, 2 * MINUTE, QualityFlag.LATE | QualityFlag.ESTIMATED, ("a", "b"))
    assert an_indicator(A, B).evaluate(inputs, {}) == expected


@pytest.mark.parametrize(
    "flag", [QualityFlag.SPIKE, QualityFlag.STUCK, QualityFlag.OUT_OF_RANGE, QualityFlag.MAINTENANCE]
)
def test_an_unusable_value_never_counts(flag: QualityFlag) -> None:
    assert an_indicator(A).evaluate({"a": InputValue(1, 0, flag)}, {}) is None


def test_a_required_input_must_be_present() -> None:
    assert an_indicator(A, B).evaluate({"a": InputValue(1, 0)}, {}) is None
    assert an_indicator(A, B).evaluate({"a": InputValue(1, 0), "b": SPIKE}, {}) is None
    assert an_indicator(A).evaluate({}, {}) is None


def test_an_optional_input_counts_where_it_is_usable() -> None:
    indicator = an_indicator(A, OPTIONAL_B)
    assert indicator.evaluate({"a": InputValue(1, 0)}, {}) == IndicatorValue(1, 0, 0, ("a",))
    assert indicator.evaluate({"a": InputValue(1, 0), "b": SPIKE}, {}) == IndicatorValue(1, 0, 0, ("a",))
    both = indicator.evaluate({"a": InputValue(1, 0), "b": InputValue(2, 0)}, {})
    assert both == IndicatorValue(3, 0, 0, ("a", "b"))


def test_an_input_that_counts_if_given_may_be_absent_but_not_bad() -> None:
    indicator = an_indicator(A, IF_GIVEN_B)
    assert indicator.evaluate({"a": InputValue(1, 0)}, {}) == IndicatorValue(1, 0, 0, ("a",))
    assert indicator.evaluate({"a": InputValue(1, 0), "b": SPIKE}, {}) is None


def test_of_several_first_inputs_the_first_usable_one_is_taken() -> None:
    inputs = tuple(Input(property=name, averaging="instant", need="first") for name in "ab")
    indicator = an_indicator(*inputs)
    both = {"a": InputValue(1, 0), "b": InputValue(2, 0)}
    assert indicator.evaluate(both, {}) == IndicatorValue(1, 0, 0, ("a",))
    assert indicator.evaluate(both | {"a": SPIKE}, {}) == IndicatorValue(2, 0, 0, ("b",))
    assert indicator.evaluate({}, {}) is None


def test_a_sole_input_counts_alone_where_the_entity_has_it() -> None:
    indicator = an_indicator(A, Input(property="b", averaging="instant", need="sole"))
    both = {"a": InputValue(1, HOUR), "b": InputValue(2, 0)}
    assert indicator.evaluate(both, {}) == IndicatorValue(2, 0, 0, ("b",))
    assert indicator.evaluate(both | {"b": SPIKE}, {}) is None
    assert indicator.evaluate({"a": InputValue(1, HOUR), "b": []}, {}) is None
    assert indicator.evaluate({"a": InputValue(1, HOUR)}, {}) == IndicatorValue(1, HOUR, 0, ("a",))
    assert indicator.applies_to({"a"}, {})
    assert indicator.applies_to({"b"}, {})
    assert not indicator.applies_to({"c"}, {})


def test_inputs_of_one_time_leave_older_ones_out() -> None:
    indicator = an_indicator(A, OPTIONAL_B, same_time=True)
    inputs = {"a": InputValue(1, HOUR), "b": InputValue(2, 0)}
    assert indicator.evaluate(inputs, {}) == IndicatorValue(1, HOUR, 0, ("a",))
    assert an_indicator(A, B, same_time=True).evaluate(inputs, {}) is None
    assert an_indicator(A, IF_GIVEN_B, same_time=True).evaluate(inputs, {}) is None


def test_a_window_that_is_hardly_covered_does_not_count_and_an_instant_has_no_coverage() -> None:
    hourly = Input(property="a", averaging="hour")
    assert an_indicator(hourly).evaluate({"a": InputValue(1, 0, coverage=0.74)}, {}) is None
    assert an_indicator(hourly).evaluate({"a": InputValue(1, 0, coverage=0.75)}, {}) is not None
    assert an_indicator(hourly).evaluate({"a": InputValue(1, 0, count=0)}, {}) is None
    assert an_indicator(A).evaluate({"a": InputValue(1, 0, coverage=0.1)}, {}) is not None


def test_a_history_is_of_usable_values_in_any_order() -> None:
    indicator = an_indicator(Input(property="a", averaging="hour", history=3 * HOUR))
    hours = [InputValue(10.0**number, number * HOUR) for number in range(5)]
    hours[3] = hours[3]._replace(flags=QualityFlag.STUCK)
    expected = IndicatorValue(10_100, 4 * HOUR, 0, ("a",))
    assert indicator.evaluate({"a": hours[::-1]}, {}) == expected
    assert indicator.evaluate({"a": []}, {}) is None


def test_of_a_history_with_a_limit_the_older_values_give_no_flags_either() -> None:
    indicator = an_indicator(Input(property="a", averaging="instant", history=HOUR, values_max=2))
    values = [
        InputValue(1, 0, QualityFlag.LATE),
        InputValue(10, MINUTE),
        SPIKE._replace(time=2 * MINUTE),
        InputValue(100, 3 * MINUTE),
    ]
    assert indicator.evaluate({"a": values}, {}) == IndicatorValue(110, 3 * MINUTE, 0, ("a",))


def test_without_a_history_the_newest_usable_of_several_is_taken() -> None:
    values = [InputValue(1, 0), InputValue(2, MINUTE), SPIKE._replace(time=2 * MINUTE)]
    assert an_indicator(A).evaluate({"a": values}, {}) == IndicatorValue(2, MINUTE, 0, ("a",))


def test_a_formula_without_a_finite_value_gives_none() -> None:
    assert an_indicator(A).evaluate({"a": InputValue(math.inf, 0)}, {}) is None


def test_it_applies_where_its_properties_and_attributes_are() -> None:
    indicator = an_indicator(A, OPTIONAL_B, attributes=("capacity",))
    assert indicator.applies_to({"a"}, {"capacity": 1})
    assert not indicator.applies_to({"b"}, {"capacity": 1})
    assert not indicator.applies_to({"a", "b"}, {})
    assert an_indicator(OPTIONAL_B).applies_to({"b", "z"}, {})
    assert not an_indicator(OPTIONAL_B).applies_to({"z"}, {})


def test_an_attribute_that_is_no_number_is_none() -> None:
    attributes = {"a": 1, "b": "1", "c": True, "d": math.nan, "e": None, "f": -0.5}
    assert [number(attributes, name) for name in "abcdefg"] == [1.0, None, None, None, None, -0.5, None]


def test_two_indicators_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="'total' is declared twice"):
        by_name([an_indicator(A), an_indicator(B)])
