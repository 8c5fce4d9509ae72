"""A stage: what happens to the records of one topic. Pure: bytes in, records to send out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from runtime.kafka import topics
from stream.engine.buckets import CheckpointEntry
from stream.engine.stage_seed import StageSeed
from twin.instant import DAY, SECOND, Instant
from twin.model.city_model import CityModel
from twin.state.datastream_state import ObservationOutcome
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import UPDATES, Update, UpdateBatch


class OutputRecord(NamedTuple):
    """A record to send."""

    topic: str
    partition: int
    value: bytes


class ApplyResult(NamedTuple):
    """What one record did."""

    outputs: list[OutputRecord]
    outcomes: Counter[ObservationOutcome]
    unknown: int  #: observations of datastreams that the model does not have


K = TypeVar("K")
B_contra = TypeVar("B_contra", contravariant=True)
"""What the records of a topic hold."""


class StreamStage(Protocol[B_contra]):
    """The state of one partition of one topic, whose records hold a batch. Owned by one worker."""

    @property
    def offset(self) -> int:
        """Return the offset of the last applied record."""
        ...

    def initial_outputs(self, knowledge: StageSeed, model: CityModel) -> list[OutputRecord]:
        """Return what is told at the beginning of a log, before its first record."""
        ...

    def apply(self, offset: int, batch: B_contra | None, model: CityModel) -> ApplyResult:
        """Take in the record at `offset`; None is one that could not be read."""
        ...

    def checkpoint_entries(self) -> Iterator[CheckpointEntry]:
        """Yield the entries of a checkpoint; records may be applied between two of them."""
        ...


class StageFactory(Protocol[K]):
    """Makes the stages of one topic."""

    @property
    def topic(self) -> str:
        """Return the topic whose records the stages take."""
        ...

    def restored(
        self, partition: int, position: bytes | None, bucket: Callable[[int], bytes | None]
    ) -> StreamStage[K] | None:
        """Return the stage as a checkpoint of this log has it, or None when there is none."""
        ...

    def seeded(self, partition: int, knowledge: StageSeed, model: CityModel) -> StreamStage[K]:
        """Return the stage at the beginning of a log."""
        ...

    def decode(self, value: bytes) -> K:
        """Return what a record holds; raise MessageError when this version cannot read it."""
        ...

    def has_unknown(self, batch: K, model: CityModel) -> bool:
        """Whether a record speaks of what the model does not know."""
        ...


def log_time(before: Instant, time: Instant) -> Instant:
    """Return the log time of a record: strictly rising, whatever the clocks of those who write."""
    return max(before + 1, time)


def revision_base(model: CityModel) -> int:
    """Return the revision above which everything is told by a model.

    A crash soon after the model has changed replays records by the new one that were told by the old one
    already. What is told then must outrank that: revisions of a later version are greater than all of an
    earlier one, of which there are at most 4 billion for an entity.
    """
    return max(0, model.version - 1) << 32


def window_revision(now: Instant, model: CityModel) -> int:
    """Return the revision of windows and judgements that are told at a log time by a model."""
    return now + max(0, model.version - 1)


# More than what is replayed after a crash can span, also while a long outage is being caught up with.
_VERSION_STEP = 2 * DAY


def alarm_revision(now: Instant, model: CityModel) -> int:
    """Return the least revision of what is told of alarms at a log time by a model.

    Records of alarms follow each other by a microsecond. So that a replay by a later model outranks all that
    was told by the earlier one, and does not share revisions with it, versions are days apart.
    """
    return now + max(0, model.version - 1) * _VERSION_STEP


def starts_second(before: Instant, now: Instant) -> bool:
    """Whether a second of log time began between two records: then windows and derived values are told."""
    return now // SECOND != before // SECOND


# A record of 1,000 updates of an area with 60 meters is about 450 kB, below Kafka's default of 1 MB; other
# items are smaller.
RECORD_ITEMS_MAX = 1_000


def update_records(updates: Sequence[Update], partition: int) -> list[OutputRecord]:
    """Return the records that tell these updates, in order."""
    return [
        OutputRecord(topics.UPDATES, partition, UPDATES.encode(UpdateBatch(LAYOUT_VERSION, tuple(part))))
        for part in record_chunks(updates)
    ]


T = TypeVar("T")


def record_chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield parts that fit into a record each."""
    for start in range(0, len(items), RECORD_ITEMS_MAX):
        yield items[start : start + RECORD_ITEMS_MAX]
