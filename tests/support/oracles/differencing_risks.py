"""Differencing risks: combinations of published sums that reveal the sum of a few connections.

For areas that overlap in any way, as an attacker would combine them. What the product publishes is safe by
construction: no connection is in the cohorts of two entities, and areas add up the sums of entities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from twin.privacy.cohort import CONNECTIONS_MIN

_Row = dict[int, Fraction]


class DifferencingRisk(NamedTuple):
    """Published areas whose combined sums reveal fewer than `CONNECTIONS_MIN` connections."""

    areas: tuple[str, ...]  #: ascending
    connections: frozenset[int]  #: that are left


def differencing_risks(areas: Mapping[str, frozenset[int]]) -> list[DifferencingRisk]:
    """Return the small groups of connections that can be isolated from the sums of areas.

    Looks at each area alone, at the difference of each two (also where they overlap: what is in one alone
    less what is in the other alone), and at all sums and differences of any number of areas, as the reduced
    echelon form of their equations shows them. The last finds every connection, and every group that the
    areas do not separate, that can be computed exactly; of combinations of several such groups it finds
    those that are rows of the form, not all. Takes time in proportion to the cube of the number of areas at
    worst; a city has hundreds.

    >>> areas = {"east": frozenset(range(12)), "city": frozenset(range(13))}
    >>> differencing_risks(areas)
    [DifferencingRisk(areas=('city', 'east'), connections=frozenset({12}))]
    """
    found: dict[frozenset[int], tuple[str, ...]] = {}
    named = sorted(areas.items())
    for name, connections in named:
        _note(found, (name,), connections)
    for (first, left), (second, right) in combinations(named, 2):
        _note(found, (first, second), left ^ right)
    for names, connections in _combined(areas):
        _note(found, names, connections)
    return [DifferencingRisk(names, connections) for connections, names in found.items()]


def _note(
    found: dict[frozenset[int], tuple[str, ...]], areas: Iterable[str], connections: frozenset[int]
) -> None:
    if 0 < len(connections) < CONNECTIONS_MIN:
        found.setdefault(connections, tuple(sorted(areas)))


def _combined(areas: Mapping[str, frozenset[int]]) -> Iterable[tuple[tuple[str, ...], frozenset[int]]]:
    """Yield the rows of the reduced echelon form: the areas of each row, and the connections in its sum."""
    names = sorted(areas)
    groups = _groups(areas)
    # A row is an equation over the groups (0, 1, …) and, from -1 down, over the areas that it is made of.
    rows: list[_Row] = [
        {
            **{number: Fraction(1) for number, (within, _) in enumerate(groups) if name in within},
            -1 - index: Fraction(1),
        }
        for index, name in enumerate(names)
    ]
    for column in range(len(groups)):
        pivot = next((row for row in rows if column in row and min(_groups_in(row)) == column), None)
        if pivot is None:
            continue
        _scale(pivot, 1 / pivot[column])
        for row in rows:
            if row is not pivot and column in row:
                _subtract(row, pivot, row[column])
    for row in rows:
        left: frozenset[int] = frozenset().union(*(groups[number][1] for number in _groups_in(row)))
        yield tuple(names[-1 - number] for number in sorted(row, reverse=True) if number < 0), left


def _groups(areas: Mapping[str, frozenset[int]]) -> list[tuple[frozenset[str], frozenset[int]]]:
    """Return the groups of connections that belong to the same areas, each with these areas."""
    within: defaultdict[int, set[str]] = defaultdict(set)
    for name, connections in areas.items():
        for connection in connections:
            within[connection].add(name)
    groups: defaultdict[frozenset[str], set[int]] = defaultdict(set)
    for connection, names in within.items():
        groups[frozenset(names)].add(connection)
    return [(names, frozenset(connections)) for names, connections in groups.items()]


def _groups_in(row: _Row) -> list[int]:
    return [number for number in row if number >= 0]


def _scale(row: _Row, factor: Fraction) -> None:
    for number in row:
        row[number] *= factor


def _subtract(row: _Row, other: _Row, factor: Fraction) -> None:
    for number, value in other.items():
        left = row.get(number, Fraction(0)) - factor * value
        if left:
            row[number] = left
        else:
            row.pop(number, None)
