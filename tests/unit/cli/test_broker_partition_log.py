"""The log of one partition: offsets, whole batches, malformed batches, trimming."""

from __future__ import annotations

import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from cli.embedded.broker.partition_log import PartitionLog, RecordBatchError
from tests.support.payloads.record_batches import record_batch


def batch(values: list[bytes], time: int = 0) -> bytes:
    return record_batch(((None, value) for value in values), time)


def records(data: bytes) -> list[tuple[int, bytes]]:
    """Return (offset, value) of each record, after a check of the checksums."""
    found = []
    reading = MemoryRecords(data)
    while (one := reading.next_batch()) is not None:
        assert one.validate_crc()
        found += [(record.offset, record.value) for record in one]
    return found


@given(st.lists(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=5), max_size=12), st.data())
def test_appended_records_are_read_from_any_offset(batches: list[list[bytes]], data: st.DataObject) -> None:
    log = PartitionLog()
    values: list[bytes] = []
    for appended in batches:
        assert log.append(batch(appended)) == len(values)
        values += appended
    assert (log.start, log.end) == (0, len(values))
    offset = data.draw(st.integers(0, len(values)))
    read = [one for one in records(log.read(offset, 1 << 20)) if one[0] >= offset]
    assert read == list(enumerate(values))[offset:]


def test_several_batches_are_appended_at_once() -> None:
    log = PartitionLog()
    log.append(batch([b"a", b"b"]) + batch([b"c"]))
    assert records(log.read(0, 1 << 20)) == [(0, b"a"), (1, b"b"), (2, b"c")]


def test_at_least_one_batch_is_read() -> None:
    log = PartitionLog()
    log.append(batch([b"a" * 100]))
    log.append(batch([b"b" * 100]))
    assert records(log.read(0, 1)) == [(0, b"a" * 100)]
    assert records(log.read(0, log.bytes)) == [(0, b"a" * 100), (1, b"b" * 100)]


@pytest.mark.parametrize(
    "data",
    [
        b"short",
        batch([b"a"])[:-1],
        batch([b"a"]) + b"rest",
        batch([b"a"])[:16] + b"\x01" + batch([b"a"])[17:],
        batch([b"a"])[:8] + b"\xff\xff\xff\xff" + batch([b"a"])[12:],
    ],
)
def test_a_malformed_batch_is_refused_and_changes_nothing(data: bytes) -> None:
    log = PartitionLog()
    log.append(batch([b"known"]))
    with pytest.raises(RecordBatchError):
        log.append(batch([b"good"]) + data)
    assert records(log.read(0, 1 << 20)) == [(0, b"known")]
    assert log.end == 1


def test_trim_drops_whole_batches_before_an_offset() -> None:
    log = PartitionLog()
    for values in ([b"a", b"b"], [b"c", b"d"], [b"e"]):
        log.append(batch(values))
    log.trim(3)
    assert log.start == 3
    assert records(log.read(3, 1 << 20)) == [(2, b"c"), (3, b"d"), (4, b"e")]
    log.trim(5)
    assert (log.start, log.end, log.bytes) == (5, 5, 0)
    assert log.append(batch([b"f"])) == 5


def test_an_offset_is_found_by_time() -> None:
    log = PartitionLog()
    log.append(batch([b"a", b"b"], time=1_000))
    log.append(batch([b"c"], time=2_000))
    assert [log.offset_at(time) for time in (0, 1_000, 1_001, 2_001)] == [0, 0, 2, None]
