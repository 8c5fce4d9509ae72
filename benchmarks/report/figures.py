"""The figures of a benchmark run, each with its unit and direction: stored, compared and printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

Better = Literal["more", "less"]

SAME_WITHIN = 0.1
"""A smaller change is not reported: two runs on a quiet machine differ as much."""


class Figure(NamedTuple):
    """One figure."""

    name: str  #: for people; unique in a run
    value: float
    unit: str
    better: Better


def as_json(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """Return figures as a JSON value."""
    return [one._asdict() for one in figures]


def from_json(document: Iterable[Mapping[str, Any]]) -> list[Figure]:
    """Return the figures of a JSON document."""
    return [Figure(**one) for one in document]


def comparison_lines(now: Iterable[Figure], then: Iterable[Figure]) -> Iterator[str]:
    """Yield a line for each figure: its value now, its last value, and the change."""
    before = {one.name: one for one in then}
    yield f"{'':<58}{'now':>12}{'last':>12}  change"
    for figure in now:
        last = before.pop(figure.name, None)
        was = format_value(last.value) if last else "-"
        name = f"{figure.name}, {figure.unit}"
        yield f"{name:<58}{format_value(figure.value):>12}{was:>12}  {_change(figure, last)}".rstrip()
    for figure in before.values():
        yield f"{figure.name + ', ' + figure.unit:<58}{'-':>12}{format_value(figure.value):>12}"


def format_value(value: float) -> str:
    """Return a number with three significant digits, whole from 100 on.

    >>> format_value(25300.0), format_value(12.34), format_value(0.02345), format_value(0)
    ('25,300', '12.3', '0.0235', '0')
    """
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.6f}"


def _change(now: Figure, last: Figure | None) -> str:
    if last is None:
        return "new"
    if last.value == now.value:
        return ""
    if last.value == 0 or now.value == 0:
        return _direction(now, last)
    ratio = now.value / last.value
    if abs(ratio - 1) < SAME_WITHIN:
        return f"{ratio - 1:+.0%}"
    return f"{ratio - 1:+.0%} {_direction(now, last)}"


def _direction(now: Figure, last: Figure) -> str:
    return "better" if (now.value > last.value) == (now.better == "more") else "WORSE"
