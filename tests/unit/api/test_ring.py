"""The ring: what it gives back, and how far it reaches."""

from __future__ import annotations

from typing import Any

from api.ring import Entry, Ring


def _entry(make_update: Any, partition: int, offset: int, number: int = 0) -> Entry:
    return Entry(partition, offset, number, make_update(1, offset * 10 + number + 1))


def test_what_was_told_since_a_position_comes_back_in_order(make_update: Any) -> None:
    ring = Ring(10)
    ring.reset([(0, 0), (0, 0)])
    entries = [_entry(make_update, 0, 0), _entry(make_update, 1, 0), _entry(make_update, 0, 1, 0)]
    entries.append(_entry(make_update, 0, 1, 1))
    for entry in entries:
        ring.append(entry)
    assert ring.since([(0, 0), (0, 0)]) == entries
    assert ring.since([(1, 1), (1, 0)]) == [entries[3]]
    assert ring.since([(2, 0), (1, 0)]) == []


def test_a_full_ring_drops_the_oldest_and_says_that_it_no_longer_reaches_back(make_update: Any) -> None:
    ring = Ring(2)
    ring.reset([(0, 0), (0, 0)])
    for offset in range(3):
        ring.append(_entry(make_update, 0, offset))
    assert len(ring) == 2
    assert ring.since([(0, 0), (0, 0)]) is None
    reached = ring.since([(0, 1), (0, 0)])
    assert reached is not None
    assert [one.offset for one in reached] == [1, 2]


def test_a_ring_reaches_back_to_where_it_was_begun() -> None:
    ring = Ring(2)
    ring.reset([(5, 0)])
    assert ring.since([(5, 0)]) == []
    assert ring.since([(4, 3)]) is None
