"""A compacted partition keeps the newest record of each key at its offset, and few other records."""

from __future__ import annotations

from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from cli.embedded.broker.partition_log import CompactedLog
from tests.support.payloads.record_batches import record_batch

KEYS = st.sampled_from([b"a", b"b", b"c", None])


def batch(keys: list[bytes | None]) -> bytes:
    return record_batch((key, b"value") for key in keys)


def records(data: bytes) -> list[tuple[int, bytes | None]]:
    """Return (offset, key) of each record, after a check of the checksums."""
    found = []
    reading = MemoryRecords(data)
    while (one := reading.next_batch()) is not None:
        assert one.validate_crc()
        found += [(record.offset, record.key) for record in one]
    return found


@given(st.lists(st.lists(KEYS, min_size=1, max_size=4), max_size=12), st.data())
def test_only_batches_whose_keys_all_recur_are_dropped(
    batches: list[list[bytes | None]], data: st.DataObject
) -> None:
    log, offset = CompactedLog(), 0
    sent: list[list[tuple[int, bytes | None]]] = []
    for keys in batches:
        assert log.append(batch(keys)) == offset
        sent.append(list(enumerate(keys, start=offset)))
        offset += len(keys)
    newest = {key: at for one in sent for at, key in one}
    kept = [one for one in sent if any(one[0][0] <= newest[key] <= one[-1][0] for _, key in one)]
    assert records(log.read(0, 1 << 20)) == [record for one in kept for record in one]
    assert (log.start, log.end) == (0, offset)
    begin = data.draw(st.integers(0, offset))
    read = [one for one in records(log.read(begin, 1 << 20)) if one[0] >= begin]
    assert read == [record for one in kept for record in one if record[0] >= begin]


def test_the_size_counts_the_stored_batches() -> None:
    log = CompactedLog()
    for _ in range(100):
        log.append(batch([b"a", b"b"]) + batch([b"c"]))
    assert log.bytes == len(log.read(0, 1 << 20)) == len(batch([b"a", b"b"]) + batch([b"c"]))


def test_trimmed_batches_are_not_superseded() -> None:
    log = CompactedLog()
    log.append(batch([b"a"]))
    log.append(batch([b"b"]))
    log.trim(1)
    log.append(batch([b"a"]))
    assert records(log.read(1, 1 << 20)) == [(1, b"b"), (2, b"a")]
    assert log.start == 1
