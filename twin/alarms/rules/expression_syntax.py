"""The subset of CEL that an expression of a rule may use: read, checked and written as plain CEL.

CEL (cel.dev) has strings, lists, maps, macros and several kinds of numbers. A rule compares numbers, so it
has these alone: numbers (all of them doubles), names, `true` and `false`, the operators of the table below,
parentheses, and `abs`, `min` and `max`. What is left has no loop and no growth: an expression always ends.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from twin.errors import TwinError

LENGTH_MAX = 500
"""Characters of an expression."""

DEPTH_MAX = 20
"""Levels of parentheses, signs, choices and calls within each other."""

FUNCTIONS: Mapping[str, int] = {"abs": 1, "min": 2, "max": 2}
"""Functions that an expression may call, with how many numbers they take."""

Kind: TypeAlias = Literal["number", "boolean"]


class ExpressionError(TwinError):
    """An expression is none that a rule may have, or it came to nothing that is true or false."""


class Identifier(NamedTuple):
    """A value that an expression names: `water_level`, `area.rainfall`, `drainsTo.water_level`."""

    whose: str  #: empty: the entity's own
    name: str

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.whose}.{self.name}" if self.whose else self.name


class ParsedExpression(NamedTuple):
    """An expression that may be used."""

    cel: str  #: what the CEL library is given: names are variables, every number is a double
    variables: Mapping[Identifier, str]  #: in the order of their names


class _Token(NamedTuple):
    kind: str  #: number, name, sign, end, other
    text: str
    start: int


class _Part(NamedTuple):
    cel: str
    kind: Kind


_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
    r"|(?P<sign>&&|\|\||[<>=!]=|[-+*/<>!?:(),])"
    r"|(?P<end>$)|(?P<other>.))",
    re.ASCII | re.DOTALL,
)
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def parse(source: str) -> ParsedExpression:
    """Return an expression as CEL with its names; raise ExpressionError, which says where and what is wrong.

    >>> parse("level > 1 && area.rainfall >= 5").cel
    'v0 > 1.0 && v1 >= 5.0'
    """
    if len(source) > LENGTH_MAX:
        raise ExpressionError(
            f"found {len(source)} characters, expected at most {LENGTH_MAX}; make several rules of it"
        )
    return _Parser(source).parsed()


class _Parser:
    """Recursive descent over the grammar of CEL; each method returns what it read as CEL and what it is."""

    def __init__(self, source: str) -> None:
        self._tokens = list(_tokens(source))
        self._next = 0
        self._depth = 0
        self._names: dict[Identifier, str] = {}

    def parsed(self) -> ParsedExpression:
        whole = self._choice()
        if (token := self._token).kind != "end":
            raise _fault(token, "expected an operator or the end")
        if whole.kind != "boolean":
            raise ExpressionError("the expression is a number, expected a comparison such as pm2_5 > 50")
        if not self._names:
            raise ExpressionError("the expression names no property and no indicator: it is always the same")
        order = sorted(self._names, key=str)
        return ParsedExpression(whole.cel, {name: self._names[name] for name in order})

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *signs: str) -> str | None:
        token = self._token
        if token.kind != "sign" or token.text not in signs:
            return None
        self._next += 1
        return token.text

    def _expect(self, sign: str) -> None:
        if self._take(sign) is None:
            raise _fault(self._token, f"expected {sign!r}")

    def _deeper(self, read: Callable[[], _Part]) -> _Part:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _fault(self._token, f"nested deeper than {DEPTH_MAX} levels: make several rules of it")
        part = read()
        self._depth -= 1
        return part

    def _choice(self) -> _Part:
        start = self._token
        condition = self._either()
        if self._take("?") is None:
            return condition
        _require(condition, "boolean", start, "before '?'")
        yes_start = self._token
        yes = self._deeper(self._choice)
        self._expect(":")
        no = self._deeper(self._choice)
        if yes.kind != no.kind:
            raise _fault(yes_start, "the two sides of ':' are a number and a boolean, expected the same")
        return _Part(f"{condition.cel} ? {yes.cel} : {no.cel}", yes.kind)

    def _either(self) -> _Part:
        return self._logical("||", lambda: self._logical("&&", self._comparison))

    def _logical(self, sign: str, read: Callable[[], _Part]) -> _Part:
        start = self._token
        part = read()
        while self._take(sign) is not None:
            _require(part, "boolean", start, f"before {sign!r}")
            start = self._token
            right = read()
            _require(right, "boolean", start, f"after {sign!r}")
            part = _Part(f"{part.cel} {sign} {right.cel}", "boolean")
        return part

    def _comparison(self) -> _Part:
        start = self._token
        part = self._sum()
        while (sign := self._take(*_COMPARISONS)) is not None:
            right_start = self._token
            right = self._sum()
            if sign in ("==", "!="):
                _require(right, part.kind, right_start, f"after {sign!r}")
            else:
                _require(part, "number", start, f"before {sign!r}")
                _require(right, "number", right_start, f"after {sign!r}")
            part = _Part(f"{part.cel} {sign} {right.cel}", "boolean")
        return part

    def _sum(self) -> _Part:
        return self._arithmetic(("+", "-"), self._product)

    def _product(self) -> _Part:
        return self._arithmetic(("*", "/"), self._signed)

    def _arithmetic(self, signs: tuple[str, ...], read: Callable[[], _Part]) -> _Part:
        start = self._token
        part = read()
        while (sign := self._take(*signs)) is not None:
            _require(part, "number", start, f"before {sign!r}")
            start = self._token
            right = read()
            _require(right, "number", start, f"after {sign!r}")
            # Doubles divide by zero without complaint; a rule that does is wrong and must say so.
            divisor = f"divisor({right.cel})" if sign == "/" else right.cel
            part = _Part(f"{part.cel} {sign} {divisor}", "number")
        return part

    def _signed(self) -> _Part:
        sign = self._take("-", "!")
        if sign is None:
            return self._primary()
        start = self._token
        part = self._deeper(self._signed)
        _require(part, "number" if sign == "-" else "boolean", start, f"after {sign!r}")
        return _Part(f"{sign}({part.cel})", part.kind)

    def _primary(self) -> _Part:
        token = self._token
        if self._take("("):
            part = self._deeper(self._choice)
            self._expect(")")
            return _Part(f"({part.cel})", part.kind)
        if token.kind == "number":
            self._next += 1
            number = float(token.text)
            if not math.isfinite(number):
                raise _fault(token, "expected a finite number")
            return _Part(repr(number), "number")
        if token.kind != "name":
            raise _fault(token, "expected a name, a number or '('")
        self._next += 1
        if token.text in ("true", "false"):
            return _Part(token.text, "boolean")
        if self._take("("):
            return self._call(token)
        return _Part(self._variable(token), "number")

    def _call(self, token: _Token) -> _Part:
        count = FUNCTIONS.get(token.text)
        if count is None:
            known = ", ".join(sorted(FUNCTIONS))
            raise _fault(token, f"a rule may call only {known}, with numbers")
        arguments = []
        for number in range(count):
            if number:
                self._expect(",")
            start = self._token
            part = self._deeper(self._choice)
            _require(part, "number", start, f"in {token.text}()")
            arguments.append(part.cel)
        self._expect(")")
        return _Part(f"{token.text}({', '.join(arguments)})", "number")

    def _variable(self, token: _Token) -> str:
        *whose, name = token.text.split(".")
        if len(whose) > 1 or not _NAME.fullmatch(name):
            raise _fault(token, "expected a name such as pm2_5, area.rainfall or drainsTo.water_level")
        key = Identifier(whose[0] if whose else "", name)
        return self._names.setdefault(key, f"v{len(self._names)}")


def _tokens(source: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(source):
        kind = str(match.lastgroup)
        token = _Token(kind, match[kind], match.start(kind))
        if kind == "other":
            raise _fault(token, "expected numbers, names, comparisons, + - * /, && || !, ? : and parentheses")
        found.append(token)
        if kind == "end":
            break
    return found


def _require(part: _Part, kind: Kind, token: _Token, where: str) -> None:
    if part.kind != kind:
        raise _fault(token, f"a {part.kind} stands {where}, expected a {kind}")


def _fault(token: _Token, message: str) -> ExpressionError:
    what = "the end" if token.kind == "end" else repr(token.text)
    return ExpressionError(f"column {token.start + 1}: found {what}, {message}")
