"""The replay buffer: its changes, and how far it reaches back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.live.replay_buffer import BufferedChange, BufferedRecord, ReplayBuffer
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import UPDATES, Update, UpdateBatch

NO_BOUND = 1_000_000


def buffered(
    partition: int, offset: int, updates: Sequence[Update], indexes: Sequence[int] = ()
) -> BufferedRecord:
    record = UPDATES.encode(UpdateBatch(LAYOUT_VERSION, tuple(updates)))
    return BufferedRecord(partition, offset, record, indexes or range(len(updates)), of_alarms=False)


def test_changes_since_a_position_are_returned_in_order(make_update: Any) -> None:
    ring = ReplayBuffer(10, NO_BOUND)
    ring.reset([(0, 0), (0, 0)])
    updates = [make_update(1, revision) for revision in range(1, 6)]
    ring.append(buffered(0, 0, updates[:1]))
    ring.append(buffered(1, 0, updates[1:2]))
    # The third of its record was known already.
    ring.append(buffered(0, 1, [updates[2], updates[3], updates[0], updates[4]], (0, 1, 3)))
    entries = [
        BufferedChange(0, 0, 0, updates[0]),
        BufferedChange(1, 0, 0, updates[1]),
        BufferedChange(0, 1, 0, updates[2]),
        BufferedChange(0, 1, 1, updates[3]),
        BufferedChange(0, 1, 3, updates[4]),
    ]
    assert len(ring) == 5
    assert ring.since([(0, 0), (0, 0)]) == entries
    assert ring.since([(1, 1), (1, 0)]) == entries[3:]
    assert ring.since([(1, 2), (1, 0)]) == entries[4:]
    assert ring.since([(2, 0), (1, 0)]) == []


def test_a_full_buffer_drops_the_oldest_records_and_reaches_back_less_far(make_update: Any) -> None:
    records = [buffered(0, offset, [make_update(1, offset + 1)]) for offset in range(3)]
    for ring in (ReplayBuffer(2, NO_BOUND), ReplayBuffer(10, 2 * len(records[0].record))):
        ring.reset([(0, 0), (0, 0)])
        for record in records:
            ring.append(record)
        assert len(ring) == 2
        assert ring.since([(0, 0), (0, 0)]) is None
        reached = ring.since([(1, 0), (0, 0)])
        assert reached is not None
        assert [one.offset for one in reached] == [1, 2]


def test_records_since_an_offset_of_each_partition_are_returned_in_order(make_update: Any) -> None:
    ring = ReplayBuffer(4, NO_BOUND)
    ring.reset([(0, 0), (3, 0), (0, 0)])
    records = [
        buffered(partition, offset, [make_update(1, number)])
        for number, (partition, offset) in enumerate([(0, 0), (1, 3), (0, 2), (1, 5), (0, 4)], 1)
    ]
    for record in records:
        ring.append(record)
    assert ring.records_since([1, 3, 0]) == records[1:]
    assert ring.records_since([2, 5, 7]) == records[2:]
    assert ring.records_since([3, 4, 0]) == records[3:]
    assert ring.records_since([5, 6, 0]) == []
    # The oldest record was dropped; what is before the beginning is not known either.
    assert ring.records_since([0, 3, 0]) is None
    assert ring.records_since([1, 2, 0]) is None


def test_a_record_beyond_the_limit_is_not_buffered(make_update: Any) -> None:
    ring = ReplayBuffer(2, NO_BOUND)
    ring.reset([(0, 0)])
    ring.append(buffered(0, 7, [make_update(1, revision) for revision in (1, 2, 3)]))
    assert len(ring) == 0
    assert ring.since([(7, 2)]) is None
    assert ring.since([(8, 0)]) == []


def test_a_buffer_reaches_back_to_its_floor() -> None:
    ring = ReplayBuffer(2, NO_BOUND)
    ring.reset([(5, 0)])
    assert ring.since([(5, 0)]) == []
    assert ring.since([(4, 3)]) is None
