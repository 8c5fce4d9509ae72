"""Expressions of rules: the subset of CEL that they may use, and what they come to."""

from __future__ import annotations

import math

import pytest

from twin.alarms.rules.expression import CompiledExpression, ExpressionError
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import ExpressionCondition
from twin.alarms.severity import Severity


def value_of(source: str, **values: float) -> bool:
    return CompiledExpression(source).evaluate({Operand(name): value for name, value in values.items()})


def test_an_expression_tells_its_operands_in_the_order_of_their_names() -> None:
    program = CompiledExpression(
        "water_level > 0.1 && area.rainfall > 5 && drainsTo.water_level > 0", {"area.rainfall": "hour"}
    )
    assert program.operands == (
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


@pytest.mark.parametrize(
    ("source", "values", "expected"),
    [
        ("a > 1", {"a": 1.5}, True),  # a whole number is a double, too
        ("a == 1", {"a": 1}, True),
        ("min(a, b) > abs(-b)", {"a": 3, "b": 2}, False),
        ("max(a, b) - 2 * 1.5 == 0", {"a": 3, "b": 2}, True),
        ("a > 1 ? b > 1 : !(b > 1)", {"a": 0, "b": 0}, True),
        ("a > 1 || b > 1 && a > 2", {"a": 1.5, "b": 0}, True),
        ("b != 0 && a / b > 1", {"a": 1, "b": 0}, False),
        ("(a > 1) == (b > 1)", {"a": 0, "b": 0}, True),
        ("1 - 2 - a == -a - 1", {"a": 4}, True),
        (" + ".join(["a"] * 120) + " == 120", {"a": 1}, True),
    ],
)
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
        ("size(a) > 1", "may call only abs, max, min"),
        ("a.exists(x, x > 1)", "may call only abs, max, min"),
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
        ("(" * 21 + "a" + ")" * 21 + " > 1", "nested deeper than 20"),
        ("!" * 21 + "(a > 1)", "nested deeper than 20"),
        ("a > 1 ? " * 21 + "true" + " : false" * 21, "nested deeper than 20"),
        ("a > 1 || " * 60 + "a > 1", "expected at most 500"),
        ("a > 1\n&& __import__(a) > 1", "found '__import__'"),
    ],
)
def test_what_is_no_comparison_of_numbers_is_refused(source: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        CompiledExpression(source)


def test_a_window_of_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(ExpressionError, match="rainfall, which the expression does not name"):
        CompiledExpression("pm2_5 > 1", {"rainfall": "hour"})


@pytest.mark.parametrize(
    ("source", "values", "message"),
    [
        ("a / b > 1", {"a": 1, "b": 0}, "division by zero"),
        ("a > 0 && b > 0", {"a": 1}, "b is None"),
        ("a > 0", {"a": math.nan}, "a is nan"),
        ("a > 0", {"a": math.inf}, "a is inf"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error_and_never_false(
    source: str, values: dict[str, float], message: str
) -> None:
    with pytest.raises(ExpressionError, match=message):
        value_of(source, **values)


def test_an_evaluation_leaves_nothing_behind() -> None:
    program = CompiledExpression("a / b > 1")
    with pytest.raises(ExpressionError):
        program.evaluate({Operand("a"): 1.0, Operand("b"): 0.0})
    assert program.evaluate({Operand("a"): 3.0, Operand("b"): 2.0})
