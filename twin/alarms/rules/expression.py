"""Expressions of rules: a subset of CEL (cel.dev), parsed, checked and compiled.

CEL has strings, lists, maps, macros and several kinds of numbers. A rule compares numbers, so an expression
consists of numbers (all of them doubles), names, `true` and `false`, the operators of the grammar below,
parentheses, and `abs`, `min` and `max`. The subset has no loops, so an evaluation always ends.

An expression is compiled into closures over its syntax tree: one for the values of a moment, and one for
arrays of values, which back-tests use. Both evaluate `&&`, `||` and `?:` from left to right and ignore what
does not decide the result.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from twin.alarms.rules.operand import Operand, WindowName
from twin.alarms.rules.rule import ExpressionCondition
from twin.errors import TwinError
from twin.model.names import AREA_PREFIX

LENGTH_MAX = 500
"""Characters of an expression."""

DEPTH_MAX = 20
"""Levels of parentheses, signs, choices and calls within each other."""

Kind: TypeAlias = Literal["number", "boolean"]
_Values: TypeAlias = NDArray[np.float64]


class ExpressionError(TwinError):
    """An expression is not one that a rule may have, or its evaluation fails."""


class Identifier(NamedTuple):
    """A name in an expression: `water_level`, `area.rainfall`, `drainsTo.water_level`."""

    whose: str  #: empty: the entity's own
    name: str

    def __str__(self) -> str:
        """Return the name as the expression has it."""
        return f"{self.whose}.{self.name}" if self.whose else self.name


class CompiledExpression:
    """An expression with its operands. Immutable, so it may be shared."""

    def __init__(self, source: str, windows: Mapping[str, WindowName] | None = None) -> None:
        """Compile an expression; `windows` has the window size of names that stand for closed windows.

        Raises ExpressionError if the source is not in the subset of CEL, or if `windows` has a name that the
        source does not have.
        """
        identifiers, self._root = _parse(source)
        unknown = dict(windows or {})
        self.operands = tuple(to_operand(one, unknown.pop(str(one), "instant")) for one in identifiers)
        """The operands that the expression names, in the order of their names."""
        if unknown:
            names = ", ".join(sorted(unknown))
            raise ExpressionError(f"over holds {names}, which the expression does not name")

    @classmethod
    def from_condition(cls, condition: ExpressionCondition) -> CompiledExpression:
        """Return the compiled expression of a rule's condition. Raises ExpressionError."""
        compiled = cls(condition.source, {expression_name(one): one.over for one in condition.operands})
        if compiled.operands != condition.operands:
            expected = ", ".join(map(str, compiled.operands))
            raise ExpressionError(f"the rule's operands are not those of its expression, {expected}")
        return compiled

    def evaluate(self, values: Sequence[float]) -> bool:
        """Return whether the expression is true for the values of its operands, in their order.

        Raises ExpressionError if a value is missing or not finite, or for a division by zero.
        """
        for operand, value in zip(self.operands, values, strict=True):
            if not math.isfinite(value):
                raise ExpressionError(f"{operand} is {value}, expected a finite number")
        return bool(self._root.evaluate(values))

    def evaluate_many(self, columns: Sequence[_Values]) -> _Values:
        """Return 1 for true, 0 for false and NaN for an error, for each row of the operands' columns."""
        with np.errstate(all="ignore"):
            truth, failed = self._root.evaluate_many(columns)
        for column in columns:
            failed = failed | ~np.isfinite(column)
        result: _Values = np.where(failed, np.nan, truth).astype(np.float64)
        return result


def identifiers_of(source: str) -> tuple[Identifier, ...]:
    """Return the names in an expression, sorted.

    Raises ExpressionError if the source is not in the subset of CEL; its text has the column and the cause.

    >>> [str(one) for one in identifiers_of("level > 1 && area.rainfall >= 5")]
    ['area.rainfall', 'level']
    """
    return _parse(source)[0]


def to_operand(name: Identifier, over: WindowName = "instant") -> Operand:
    """Return the operand of a name; for an area it is the roll-up.

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


class _Node(NamedTuple):
    """A part of an expression. Values are in the order of the expression's sorted names."""

    kind: Kind
    evaluate: Callable[[Sequence[float]], Any]
    #: returns the results, and at which rows the evaluation failed
    evaluate_many: Callable[[Sequence[_Values]], tuple[NDArray[Any], NDArray[np.bool_]]]
    computed: bool = False  #: whether arithmetic may have overflowed to a result that is not a number


_NONE_FAILED = np.zeros((), np.bool_)
_DIVISION_BY_ZERO = "division by zero: ask for a divisor other than 0 before, with &&"
_NOT_A_NUMBER = "a side of a comparison overflows to a value that is not a number"


def _constant(value: float | bool) -> _Node:
    array = np.asarray(value)
    kind: Kind = "boolean" if isinstance(value, bool) else "number"
    return _Node(kind, lambda _: value, lambda _: (array, _NONE_FAILED))


def _variable(index: int) -> _Node:
    return _Node("number", operator.itemgetter(index), lambda columns: (columns[index], _NONE_FAILED))


def _unary(node: _Node, function: Callable[[Any], Any], many: Callable[[Any], Any]) -> _Node:
    evaluate, evaluate_many = node.evaluate, node.evaluate_many

    def all_rows(columns: Sequence[_Values]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        values, failed = evaluate_many(columns)
        return many(values), failed

    return _Node(node.kind, lambda values: function(evaluate(values)), all_rows, node.computed)


def _binary(
    left: _Node, right: _Node, function: Callable[[Any, Any], Any], many: Callable[[Any, Any], Any]
) -> _Node:
    """Return an operation on two numbers that is a number."""
    x, y, xs, ys = left.evaluate, right.evaluate, left.evaluate_many, right.evaluate_many

    def all_rows(columns: Sequence[_Values]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        (first, first_failed), (second, second_failed) = xs(columns), ys(columns)
        return many(first, second), first_failed | second_failed

    return _Node("number", lambda values: function(x(values), y(values)), all_rows, computed=True)


def _quotient(left: _Node, right: _Node) -> _Node:
    x, y = left.evaluate, right.evaluate
    plain = _binary(left, right, operator.truediv, operator.truediv)

    def divide(values: Sequence[float]) -> float:
        dividend, divisor = x(values), y(values)
        if divisor == 0:
            raise ExpressionError(_DIVISION_BY_ZERO)
        return float(dividend / divisor)

    def all_rows(columns: Sequence[_Values]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        quotients, failed = plain.evaluate_many(columns)
        return quotients, failed | (right.evaluate_many(columns)[0] == 0)

    return plain._replace(evaluate=divide, evaluate_many=all_rows)


def _comparison(left: _Node, right: _Node, sign: str) -> _Node:
    function = _COMPARISONS[sign]
    plain = _binary(left, right, function, function)._replace(kind="boolean", computed=False)
    if sign in ("==", "!=") or not (left.computed or right.computed):
        return plain
    x, y = left.evaluate, right.evaluate

    def compare(values: Sequence[float]) -> bool:
        first, second = x(values), y(values)
        if math.isnan(first) or math.isnan(second):
            raise ExpressionError(_NOT_A_NUMBER)
        return bool(function(first, second))

    def all_rows(columns: Sequence[_Values]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        truth, failed = plain.evaluate_many(columns)
        for side in (left, right):
            failed = failed | np.isnan(side.evaluate_many(columns)[0])
        return truth, failed

    return plain._replace(evaluate=compare, evaluate_many=all_rows)


def _conjunction(left: _Node, right: _Node) -> _Node:
    x, y, xs, ys = left.evaluate, right.evaluate, left.evaluate_many, right.evaluate_many

    def all_rows(columns: Sequence[_Values]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        (first, first_failed), (second, second_failed) = xs(columns), ys(columns)
        return first & second, first_failed | (first & second_failed)

    return _Node("boolean", lambda values: x(values) and y(values), all_rows)


def _disjunction(left: _Node, right: _Node) -> _Node:
    x, y, xs, ys = left.evaluate, right.evaluate, left.evaluate_many, right.evaluate_many

    def all_rows(columns: Sequence[_Values]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        (first, first_failed), (second, second_failed) = xs(columns), ys(columns)
        return first | second, first_failed | (~first & second_failed)

    return _Node("boolean", lambda values: x(values) or y(values), all_rows)


def _choice(condition: _Node, yes: _Node, no: _Node) -> _Node:
    test, x, y = condition.evaluate, yes.evaluate, no.evaluate

    def all_rows(columns: Sequence[_Values]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        truth, failed = condition.evaluate_many(columns)
        (first, first_failed), (second, second_failed) = yes.evaluate_many(columns), no.evaluate_many(columns)
        return np.where(truth, first, second), failed | np.where(truth, first_failed, second_failed)

    return _Node(
        yes.kind,
        lambda values: x(values) if test(values) else y(values),
        all_rows,
        yes.computed or no.computed,
    )


_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}

# The second function of each pair is for arrays; it chooses as Python's does.
_PAIR_FUNCTIONS: Mapping[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "min": (min, lambda x, y: np.where(y < x, y, x)),
    "max": (max, lambda x, y: np.where(y > x, y, x)),
}
_FUNCTIONS = ("abs", *_PAIR_FUNCTIONS)


class _Token(NamedTuple):
    kind: str  #: number, name, sign, end, other
    text: str
    start: int


_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
    r"|(?P<sign>&&|\|\||[<>=!]=|[-+*/<>!?:(),])"
    r"|(?P<end>$)|(?P<other>.))",
    re.ASCII | re.DOTALL,
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LITERALS = {"true": True, "false": False}


def _parse(source: str) -> tuple[tuple[Identifier, ...], _Node]:
    """Return the sorted names of an expression and its root. Raises ExpressionError."""
    if len(source) > LENGTH_MAX:
        raise ExpressionError(
            f"found {len(source)} characters, expected at most {LENGTH_MAX}; make several rules of it"
        )
    parser = _Parser(_tokens(source))
    return parser.identifiers, parser.root()


class _Parser:
    """Recursive descent over the grammar of CEL; each method consumes a part and returns its node."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0
        names = {
            _identifier(token)
            for token, following in pairwise(tokens)
            if token.kind == "name" and token.text not in _LITERALS and following.text != "("
        }
        self.identifiers = tuple(sorted(names, key=str))

    def root(self) -> _Node:
        """Consume the whole expression."""
        node = self._conditional()
        if (token := self._token).kind != "end":
            raise _fault(token, "expected an operator or the end")
        if node.kind != "boolean":
            raise ExpressionError("the expression is a number, expected a comparison such as pm2_5 > 50")
        if not self.identifiers:
            raise ExpressionError(
                "the expression names no property and no indicator, so its result never changes"
            )
        return node

    @property
    def _token(self) -> _Token:
        return self._tokens[self._position]

    def _accept(self, *signs: str) -> str | None:
        """Consume the next token if it is one of these signs; return the sign, or None."""
        token = self._token
        if token.kind != "sign" or token.text not in signs:
            return None
        self._position += 1
        return token.text

    def _expect(self, sign: str) -> None:
        if self._accept(sign) is None:
            raise _fault(self._token, f"expected {sign!r}")

    def _nested(self, consume: Callable[[], _Node]) -> _Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _fault(self._token, f"nested deeper than {DEPTH_MAX} levels: make several rules of it")
        node = consume()
        self._depth -= 1
        return node

    def _conditional(self) -> _Node:
        start = self._token
        condition = self._logical("||", self._conjunctions, _disjunction)
        if self._accept("?") is None:
            return condition
        _require(condition, "boolean", start, "before '?'")
        yes_start = self._token
        yes = self._nested(self._conditional)
        self._expect(":")
        no = self._nested(self._conditional)
        if yes.kind != no.kind:
            raise _fault(yes_start, "the two sides of ':' are a number and a boolean, expected the same")
        return _choice(condition, yes, no)

    def _conjunctions(self) -> _Node:
        return self._logical("&&", self._relation, _conjunction)

    def _logical(
        self, sign: str, consume: Callable[[], _Node], combine: Callable[[_Node, _Node], _Node]
    ) -> _Node:
        start = self._token
        node = consume()
        while self._accept(sign) is not None:
            _require(node, "boolean", start, f"before {sign!r}")
            start = self._token
            right = consume()
            _require(right, "boolean", start, f"after {sign!r}")
            node = combine(node, right)
        return node

    def _relation(self) -> _Node:
        start = self._token
        node = self._sum()
        while (sign := self._accept(*_COMPARISONS)) is not None:
            right_start = self._token
            right = self._sum()
            if sign in ("==", "!="):
                _require(right, node.kind, right_start, f"after {sign!r}")
            else:
                _require(node, "number", start, f"before {sign!r}")
                _require(right, "number", right_start, f"after {sign!r}")
            node = _comparison(node, right, sign)
        return node

    def _sum(self) -> _Node:
        return self._arithmetic(("+", "-"), self._product)

    def _product(self) -> _Node:
        return self._arithmetic(("*", "/"), self._signed)

    def _arithmetic(self, signs: tuple[str, ...], consume: Callable[[], _Node]) -> _Node:
        start = self._token
        node = consume()
        while (sign := self._accept(*signs)) is not None:
            _require(node, "number", start, f"before {sign!r}")
            start = self._token
            right = consume()
            _require(right, "number", start, f"after {sign!r}")
            if sign == "/":
                node = _quotient(node, right)
            else:
                node = _binary(node, right, _ARITHMETIC[sign], _ARITHMETIC[sign])
        return node

    def _signed(self) -> _Node:
        sign = self._accept("-", "!")
        if sign is None:
            return self._primary()
        start = self._token
        node = self._nested(self._signed)
        _require(node, "number" if sign == "-" else "boolean", start, f"after {sign!r}")
        if sign == "-":
            return _unary(node, operator.neg, operator.neg)
        return _unary(node, operator.not_, operator.invert)

    def _primary(self) -> _Node:
        token = self._token
        if self._accept("("):
            node = self._nested(self._conditional)
            self._expect(")")
            return node
        if token.kind == "number":
            self._position += 1
            number = float(token.text)
            if not math.isfinite(number):
                raise _fault(token, "expected a finite number")
            return _constant(number)
        if token.kind != "name":
            raise _fault(token, "expected a name, a number or '('")
        self._position += 1
        if token.text in _LITERALS:
            return _constant(_LITERALS[token.text])
        if self._accept("("):
            return self._call(token)
        return _variable(self.identifiers.index(_identifier(token)))

    def _call(self, token: _Token) -> _Node:
        if token.text not in _FUNCTIONS:
            raise _fault(token, f"a rule may call only {', '.join(_FUNCTIONS)}, with numbers")
        first = self._argument(token)
        if token.text == "abs":
            node = _unary(first, abs, abs)
        else:
            self._expect(",")
            node = _binary(first, self._argument(token), *_PAIR_FUNCTIONS[token.text])
        self._expect(")")
        return node

    def _argument(self, function: _Token) -> _Node:
        start = self._token
        node = self._nested(self._conditional)
        _require(node, "number", start, f"in {function.text}()")
        return node


def _identifier(token: _Token) -> Identifier:
    *whose, name = token.text.split(".")
    if len(whose) > 1 or not _NAME.fullmatch(name):
        raise _fault(token, "expected a name such as pm2_5, area.rainfall or drainsTo.water_level")
    return Identifier(whose[0] if whose else "", name)


def _tokens(source: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(source):
        kind = str(match.lastgroup)
        token = _Token(kind, match[kind], match.start(kind))
        if kind == "other":
            raise _fault(token, "expected numbers, names, comparisons, + - * /, && || !, ? : and parentheses")
        tokens.append(token)
        if kind == "end":
            break
    return tokens


def _require(node: _Node, kind: Kind, token: _Token, where: str) -> None:
    if node.kind != kind:
        raise _fault(token, f"a {node.kind} stands {where}, expected a {kind}")


def _fault(token: _Token, message: str) -> ExpressionError:
    what = "the end" if token.kind == "end" else repr(token.text)
    return ExpressionError(f"column {token.start + 1}: found {what}, {message}")
