"""Expressions of rules: the subset of CEL that they may use, and their results."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twin.alarms.rules.expression import CompiledExpression, ExpressionError
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import ExpressionCondition
from twin.alarms.severity import Severity

HUGE = 1e308


def value_of(source: str, **values: float) -> bool:
    expression = CompiledExpression(source)
    return expression.evaluate([values[one.name] for one in expression.operands])


def test_the_operands_are_in_the_order_of_their_names() -> None:
    expression = CompiledExpression(
        "water_level > 0.1 && area.rainfall > 5 && drainsTo.water_level > 0", {"area.rainfall": "hour"}
    )
    assert expression.operands == (
        Operand("area_rainfall", "hour", whose="area"),
        Operand("water_level", whose="drainsTo"),
        Operand("water_level"),
    )


def test_a_condition_is_compiled_with_the_windows_of_its_operands() -> None:
    operands = CompiledExpression("pm2_5 > 10 && area.pm2_5 < 5", {"pm2_5": "hour"}).operands
    condition = ExpressionCondition(
        source="pm2_5 > 10 && area.pm2_5 < 5", operands=operands, severity=Severity.MINOR
    )
    assert CompiledExpression.from_condition(condition).operands == operands


def test_a_condition_with_other_operands_than_its_expression_is_refused() -> None:
    condition = ExpressionCondition(source="a > b", operands=(Operand("a"),), severity=Severity.MINOR)
    with pytest.raises(ExpressionError, match="not those of its expression, a, b"):
        CompiledExpression.from_condition(condition)


RESULTS = [
    ("a > 1", {"a": 1.5}, True),  # a whole number is a double, too
    ("a == 1", {"a": 1}, True),
    ("min(a, b) > abs(-b)", {"a": 3, "b": 2}, False),
    ("max(a, b) - 2 * 1.5 == 0", {"a": 3, "b": 2}, True),
    ("a > 1 ? b > 1 : !(b > 1)", {"a": 0, "b": 0}, True),
    ("(a > 1 ? a : b) <= 1", {"a": 0, "b": 2}, False),
    ("a > 1 || b > 1 && a > 2", {"a": 1.5, "b": 0}, True),
    ("b != 0 && a / b > 1", {"a": 1, "b": 0}, False),
    ("b == 0 || a / b > 1", {"a": 1, "b": 0}, True),
    ("b == 0 ? true : a / b > 1", {"a": 1, "b": 0}, True),
    ("(a > 1) == (b > 1)", {"a": 0, "b": 0}, True),
    ("1 - 2 - a == -a - 1", {"a": 4}, True),
    (" + ".join(["a"] * 120) + " == 120", {"a": 1}, True),
    ("a * 10 > 1", {"a": HUGE}, True),
    ("a * 10 - a * 10 == 1", {"a": HUGE}, False),
]


@pytest.mark.parametrize(("source", "values", "expected"), RESULTS)
def test_an_expression_is_true_or_false_of_values(
    source: str, values: dict[str, float], expected: bool
) -> None:
    assert value_of(source, **values) is expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "column 1: found the end"),
        ("a + 1", "expected a comparison"),
        ("1 < 2", "names no property"),
        ("a > 'x'", "column 5"),
        ("a in [1]", "column 6: found '\\['"),
        ("size(a) > 1", "may call only abs, min, max"),
        ("a.exists(x, x > 1)", "may call only abs, min, max"),
        ("{1: 2}.size() > a", "column 1: found '{'"),
        ("a.b.c > 1", "expected a name such as"),
        ("a < b < c", "a boolean stands before '<'"),
        ("a > 1 && b", "a number stands after '&&'"),
        ("a > 1 ? b : b > 1", "expected the same"),
        ("a > 1u", "column 5"),
        ("a > 0x10", "column 5"),
        ("a > 1e999", "expected a finite number"),
        ("a % 2 > 1", "column 3: found '%'"),
        ("a > 1 b", "column 7: found 'b', expected an operator or the end"),
        ("(a > 1", "expected '\\)'"),
        ("min(a) > 1", "expected ','"),
        ("abs(a, a) > 1", "expected '\\)'"),
        ("(" * 21 + "a" + ")" * 21 + " > 1", "nested deeper than 20"),
        ("!" * 21 + "(a > 1)", "nested deeper than 20"),
        ("a > 1 ? " * 21 + "true" + " : false" * 21, "nested deeper than 20"),
        ("a > 1 || " * 60 + "a > 1", "expected at most 500"),
        ("a > 1\n&& __import__(a) > 1", "found '__import__'"),
    ],
)
def test_other_sources_are_refused_with_the_place_and_the_cause(source: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        CompiledExpression(source)


def test_a_window_of_an_absent_name_is_refused() -> None:
    with pytest.raises(ExpressionError, match="rainfall, which the expression does not name"):
        CompiledExpression("pm2_5 > 1", {"rainfall": "hour"})


FAILURES = [
    ("a / b > 1", {"a": 1, "b": 0}, "division by zero"),
    ("a / b > 1 || a > 0", {"a": 1, "b": 0}, "division by zero"),
    ("a > 0 && a / b > 1", {"a": 1, "b": 0}, "division by zero"),
    ("a > 0 ? a / b > 1 : true", {"a": 1, "b": 0}, "division by zero"),
    ("a > 0", {"a": math.nan}, "a is nan"),
    ("a > 0", {"a": math.inf}, "a is inf"),
    ("a * 10 - a * 10 > 1", {"a": HUGE}, "not a number"),
    ("-min(a * 10 - a * 10, 1) > 1", {"a": HUGE}, "not a number"),
]


@pytest.mark.parametrize(("source", "values", "message"), FAILURES)
def test_a_failed_evaluation_is_an_error_and_never_false(
    source: str, values: dict[str, float], message: str
) -> None:
    with pytest.raises(ExpressionError, match=message):
        value_of(source, **values)


def test_an_error_leaves_no_state() -> None:
    expression = CompiledExpression("a / b > 1")
    with pytest.raises(ExpressionError):
        expression.evaluate([1.0, 0.0])
    assert expression.evaluate([3.0, 2.0])


@pytest.mark.parametrize("source", sorted({case[0] for case in [*RESULTS, *FAILURES]}))
def test_arrays_have_the_results_of_their_rows(source: str) -> None:
    expression = CompiledExpression(source)
    numbers = (-2.0, 0.0, 0.5, 1.0, 3.0, HUGE, math.nan)
    rows = [(first, second) for first in numbers for second in numbers]
    width = len(expression.operands)
    columns = [np.array([row[place] for row in rows]) for place in range(width)]
    for row, found in zip(rows, expression.evaluate_many(columns), strict=True):
        try:
            expected = float(expression.evaluate(row[:width]))
        except ExpressionError:
            expected = math.nan
        assert found == pytest.approx(expected, nan_ok=True), row
