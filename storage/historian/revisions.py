"""Keeps the newest revision of rows that are replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Revised(Protocol):
    """A row or event with a revision; a greater one replaces it."""

    @property
    def revision(self) -> int:
        """The revision."""
        ...


K = TypeVar("K")
R = TypeVar("R", bound=Revised)


def keep_newest(known: dict[K, R], key: K, revised: R) -> None:
    """Store a row under its key, unless a row with at least the same revision is there."""
    newest = known.get(key)
    if newest is None or revised.revision > newest.revision:
        known[key] = revised


def newest_revisions(events: Iterable[tuple[tuple[str, int], R]]) -> list[R]:
    """Return the event with the greatest revision of each id, from events by id and revision."""
    newest: dict[str, R] = {}
    for (id, _), event in events:
        keep_newest(newest, id, event)
    return list(newest.values())
