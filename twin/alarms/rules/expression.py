"""Expressions of rules, compiled: which operands they name, and whether they are true of some values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from twin.alarms.rules.cel_engine import cel
from twin.alarms.rules.expression_syntax import ExpressionError, Identifier, parse
from twin.alarms.rules.operand import Operand, WindowName
from twin.alarms.rules.rule import ExpressionCondition
from twin.model.names import AREA_PREFIX

__all__ = ["CompiledExpression", "ExpressionError"]


class CompiledExpression:
    """An expression that may be evaluated often; not changed by it, so it may be shared."""

    def __init__(self, source: str, over: Mapping[str, WindowName] | None = None) -> None:
        """Compile an expression; `over` says of names, as they are written, that closed windows are meant.

        Raises ExpressionError when it is not in the subset of CEL that `twin.alarms.rules.expression_syntax`
        describes, or when `over` holds a name that it does not.
        """
        parsed = parse(source)
        windows = dict(over or {})
        self._variables = {
            to_operand(name, windows.pop(str(name), "instant")): variable
            for name, variable in parsed.variables.items()
        }
        if windows:
            names = ", ".join(sorted(windows))
            raise ExpressionError(f"over holds {names}, which the expression does not name")
        try:
            self._program = cel.compile(parsed.cel)
        except (ValueError, RuntimeError) as error:
            raise ExpressionError(f"the expression {source!r} is not CEL: {error}") from error

    @classmethod
    def from_condition(cls, condition: ExpressionCondition) -> CompiledExpression:
        """Return the program of a rule's condition. Raises ExpressionError."""
        return cls(condition.source, {expression_name(one): one.over for one in condition.operands})

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The operands that it names, in the order of their names."""
        return tuple(self._variables)

    def evaluate(self, values: Mapping[Operand, float]) -> bool:
        """Return whether it is true of these values, one for each operand.

        Raises ExpressionError: a value is missing or not finite, something is divided by zero, or the result
        is not true or false.
        """
        divided_by_zero: list[bool] = []

        def divisor(value: float) -> float:
            # An error raised in here would be printed by the library, and swallowed where `||` decides.
            if value == 0:
                divided_by_zero.append(True)
            return value

        context: dict[str, Any] = {**_FUNCTIONS, "divisor": divisor}
        for operand, variable in self._variables.items():
            value = values.get(operand)
            if value is None or not math.isfinite(value):
                raise ExpressionError(f"{operand} is {value}, expected a finite number")
            context[variable] = float(value)
        try:
            result = self._program.execute(context)
        except (ValueError, RuntimeError, TypeError, ArithmeticError) as error:
            raise ExpressionError(f"the expression cannot be evaluated: {error}") from error
        if divided_by_zero:
            raise ExpressionError("division by zero: ask for a divisor other than 0 before, with &&")
        if not isinstance(result, bool):
            raise ExpressionError(f"the expression comes to {result!r}, expected true or false")
        return result


_FUNCTIONS: Mapping[str, Callable[..., float]] = {"abs": abs, "min": min, "max": max}


def to_operand(name: Identifier, over: WindowName = "instant") -> Operand:
    """Return the operand that a name means: of an area its roll-up.

    >>> to_operand(Identifier("area", "rainfall"), "hour")
    Operand(name='area_rainfall', over='hour', statistic='value', whose='area')
    """
    rolled_up = name.whose == "area" and not name.name.startswith(AREA_PREFIX)
    return Operand(AREA_PREFIX + name.name if rolled_up else name.name, over, whose=name.whose)


def expression_name(operand: Operand) -> str:
    """Return the name of an operand as an expression has it.

    >>> expression_name(Operand("area_rainfall", whose="area")), expression_name(Operand("pm2_5", "hour"))
    ('area.rainfall', 'pm2_5')
    """
    name = operand.name.removeprefix(AREA_PREFIX) if operand.whose == "area" else operand.name
    return f"{operand.whose}.{name}" if operand.whose else name
