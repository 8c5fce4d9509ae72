"""Record batches in Kafka's format as producers send them, for tests of the embedded broker."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.record.default_records import DefaultRecordBatchBuilder


def record_batch(records: Iterable[tuple[bytes | None, bytes]], time: int = 0) -> bytes:
    """Return a batch of (key, value); its first offset is 0, `time` in milliseconds."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for offset, (key, value) in enumerate(records):
        builder.append(offset, timestamp=time, key=key, value=value, headers=[])
    return bytes(builder.build())
