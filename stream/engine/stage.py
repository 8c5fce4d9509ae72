"""The contract of a stage, the revisions of its outputs, and their records. Pure: bytes in, records out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from runtime.kafka import topics
from stream.engine.buckets import CheckpointEntry, PartitionBuckets
from stream.engine.stage_seed import StageSeed
from twin.instant import DAY, SECOND, Instant
from twin.model.city_model import CityModel
from twin.state.datastream_state import ObservationOutcome
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import UPDATES, SeriesRepair, Update, UpdateBatch


class OutputRecord(NamedTuple):
    """A record to send."""

    topic: str
    partition: int
    value: bytes


class ApplyResult(NamedTuple):
    """The effect of one record."""

    outputs: list[OutputRecord]
    outcomes: Counter[ObservationOutcome]
    unknown: int  #: observations of datastreams that the model does not have


S = TypeVar("S")
B = TypeVar("B")
B_contra = TypeVar("B_contra", contravariant=True)
"""The decoded content of a record of the stage's topic."""


class StreamStage(Protocol[B_contra]):
    """The state of one partition of one topic. Owned by one worker."""

    @property
    def offset(self) -> int:
        """Return the offset of the last applied record."""
        ...

    def initial_outputs(self, seed: StageSeed, model: CityModel) -> list[OutputRecord]:
        """Return the records to send at the beginning of a log, before its first record is applied."""
        ...

    def apply(self, offset: int, batch: B_contra | None, model: CityModel) -> ApplyResult:
        """Apply the record at `offset`; None is an unreadable record."""
        ...

    def checkpoint_entries(self) -> Iterator[CheckpointEntry]:
        """Yield the entries of a checkpoint; records may be applied between two of them."""
        ...


class BucketStage(Generic[S]):
    """What all stages have in common: contents in buckets, the offset, and the checkpoint."""

    def __init__(self, buckets: PartitionBuckets[S], partition: int) -> None:
        self._buckets = buckets
        self._partition = partition

    @property
    def offset(self) -> int:
        """Return the offset of the last applied record."""
        return self._buckets.offset

    def initial_outputs(self, seed: StageSeed, model: CityModel) -> list[OutputRecord]:
        """Return nothing: the inputs of most stages arrive with the log."""
        return []

    def checkpoint_entries(self) -> Iterator[CheckpointEntry]:
        """Yield the entries of a checkpoint, as `PartitionBuckets.checkpoint_entries` does."""
        return self._buckets.checkpoint_entries()

    def _skip(self, offset: int) -> ApplyResult:
        """Apply an unreadable record: only the offset advances."""
        self._buckets.advance(offset, self._buckets.time)
        return ApplyResult([], Counter(), 0)


class StageFactory(Protocol[B]):
    """Creates the stages of one topic."""

    @property
    def topic(self) -> str:
        """Return the topic whose records the stages apply."""
        ...

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> StreamStage[B] | None:
        """Return the stage as the checkpoint of this log has it; None if there is no checkpoint."""
        ...

    def seeded(self, partition: int, seed: StageSeed, model: CityModel) -> StreamStage[B]:
        """Return the stage at the beginning of a log."""
        ...

    def decode(self, value: bytes) -> B:
        """Return the content of a record; raise MessageError when this version cannot read it."""
        ...

    def has_unknown(self, batch: B, model: CityModel) -> bool:
        """Whether a record names something that the model does not have."""
        ...


LOG_TIME_STEP = 32
"""By so many microseconds at least, log time rises from record to record.

It leaves room for the revisions that other models and repairs give to what was emitted for one record
(`window_revision`). More than 30,000 records a second in one partition would let log time run ahead.
"""


def log_time(before: Instant, time: Instant) -> Instant:
    """Return the log time of a record: strictly rising, whatever the clocks of the writers show."""
    return max(before + LOG_TIME_STEP, time)


def revision_base(model: CityModel) -> int:
    """Return the revision above which all updates are made by a model.

    After a crash soon after a change of model, records are replayed by the new model although the old one
    had applied them. Their updates must outrank the earlier ones: the revisions of a later version are
    greater than all of an earlier version, of which an entity has at most 4 billion (see `REASSESSED_BASE`).
    Up to 2 million versions revisions stay below 2^53, so every client of the API reads them exactly.
    """
    return max(0, model.version - 1) << 32


REASSESSED_BASE = 1 << 31
"""Added to the revision of an entity of which all datastreams are assessed again by another model.

A stage of a checkpoint does that, as the policies of the model before are not known any more. A stage that
knows them assesses less, and may have emitted other updates of the same record before a crash.
"""


def window_revision(now: Instant, model: CityModel) -> int:
    """Return the revision of windows and assessments that a model makes at a log time.

    A replay by one of the next models outranks what was emitted for the same record, and has the revision of
    no other record, as fewer than `LOG_TIME_STEP` versions follow each other within a replay.
    """
    return now + max(0, model.version - 1)


# Longer than a replay after a crash can span, even when a long outage is being caught up with.
_VERSION_STEP = 2 * DAY


def alarm_revision(now: Instant, model: CityModel) -> int:
    """Return the least revision of alarm records that a model makes at a log time.

    Alarm records follow each other by a microsecond. Versions are days apart, so that a replay by a later
    model outranks all records of the earlier one and shares no revision with them. Up to 30,000 versions
    and the year 2090 revisions stay below 2^53, so every client of the API reads them exactly.
    """
    return now + max(0, model.version - 1) * _VERSION_STEP


def starts_second(before: Instant, now: Instant) -> bool:
    """Whether a second of log time began between two records; windows and derived values are emitted then."""
    return now // SECOND != before // SECOND


# A record of 1,000 updates of an area with 60 meters is about 450 kB, below Kafka's default of 1 MB; other
# items are smaller.
RECORD_ITEMS_MAX = 1_000


def update_records(
    updates: Sequence[Update], partition: int, repairs: Sequence[SeriesRepair] = (), offset: int = -1
) -> list[OutputRecord]:
    """Return the records of these updates and series repairs, in order.

    `offset` is that of the observation record which caused them, where a record on `aggregates` has it, too.
    """
    return [
        OutputRecord(
            topics.UPDATES,
            partition,
            UPDATES.encode(UpdateBatch(LAYOUT_VERSION, tuple(updates[part]), tuple(repairs[part]), offset)),
        )
        for part in chunk_slices(updates, repairs)
    ]


T = TypeVar("T")


def record_chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield parts that each fit into a record."""
    for part in chunk_slices(items):
        yield items[part]


def chunk_slices(*sequences: Sequence[object]) -> Iterator[slice]:
    """Yield slices that cut all sequences together into parts that each fit into a record."""
    for start in range(0, max(map(len, sequences)), RECORD_ITEMS_MAX):
        yield slice(start, start + RECORD_ITEMS_MAX)
