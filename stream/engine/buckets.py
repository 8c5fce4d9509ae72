"""Buckets: what a partition keeps by name, and what a checkpoint of it holds. Pure.

A checkpoint writes the buckets that changed, all at once or little by little. Each bucket carries the offset
up to which it is complete; the position of the partition, written last, lists them. A checkpoint that was
torn, or overwritten by a worker that had lost the partition without knowing it yet, is recognised by that
list, and the replay starts early enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar
from zlib import crc32

import msgspec

from twin.errors import MessageError
from twin.instant import INSTANT_MIN, Instant
from twin.wire.codec import DECODE_ERRORS, LAYOUT_VERSION

BEFORE_FIRST_OFFSET = -1
"""The offset before the first record."""


class BucketSnapshot(msgspec.Struct, array_like=True, frozen=True):
    """A bucket in a checkpoint: complete up to and including `offset`."""

    version: int
    log: str
    offset: int
    time: Instant  #: log time at `offset`
    contents: tuple[msgspec.Raw, ...]


class CheckpointPosition(msgspec.Struct, array_like=True, frozen=True):
    """How far a checkpoint reaches: the last applied offset, and that of the last write of each bucket."""

    version: int
    log: str
    offset: int
    time: Instant  #: log time of the last applied record
    buckets: tuple[int, ...]


class CheckpointEntry(NamedTuple):
    """One entry of a checkpoint."""

    bucket: int | None  #: its number; None: it is the position
    value: bytes


S = TypeVar("S")


class ContentCodec(Protocol[S]):
    """How the contents of buckets are made, encoded and decoded."""

    def new(self) -> S:
        """Return a content that knows nothing."""
        ...

    def encode(self, name: str, content: S) -> bytes:
        """Return a content and its name as MessagePack."""
        ...

    def decode(self, data: msgspec.Raw) -> tuple[str, S]:
        """Return what `encode` was given."""
        ...


class PartitionBucket(Generic[S]):
    """Contents that are written to a checkpoint together."""

    __slots__ = ("contents", "dirty", "offset")

    def __init__(self, offset: int) -> None:
        self.contents: dict[str, S] = {}
        self.offset = offset  #: complete up to here
        self.dirty = False


_encode = msgspec.msgpack.Encoder().encode
_decode_bucket = msgspec.msgpack.Decoder(BucketSnapshot).decode
_decode_position = msgspec.msgpack.Decoder(CheckpointPosition).decode


class PartitionBuckets(Generic[S]):
    """The contents of one partition, in memory, owned by one worker."""

    def __init__(
        self,
        kind: ContentCodec[S],
        log: str,
        count: int,
        offset: int = BEFORE_FIRST_OFFSET,
        time: Instant = INSTANT_MIN,
    ) -> None:
        self._kind = kind
        self._log = log
        self._buckets: list[PartitionBucket[S]] = [PartitionBucket(offset) for _ in range(count)]
        self._written = [offset] * count
        self._by_name: dict[str, PartitionBucket[S]] = {}
        self._complete_max = offset  # of all buckets: what comes later is no replay
        self.offset = offset  #: last applied
        self.time = time  #: log time of the last applied record

    def seed(self, contents: Iterable[tuple[str, S]]) -> None:
        """Take in what is known from elsewhere at the beginning of a log; all of it is to be written."""
        for name, content in contents:
            self.bucket_of(name).contents[name] = content
        for bucket in self._buckets:
            bucket.dirty = True

    @classmethod
    def restored(
        cls,
        kind: ContentCodec[S],
        log: str,
        count: int,
        position: bytes | None,
        bucket: Callable[[int], bytes | None],
    ) -> PartitionBuckets[S] | None:
        """Return the contents as a checkpoint of this log has them, or None when there is none.

        Raises MessageError when the checkpoint is of a version, or of a number of buckets, that does not fit.
        """
        if position is None:
            return None
        try:
            found = _decode_position(position)
            if found.log != log:
                return None
            if found.version != LAYOUT_VERSION or len(found.buckets) != count:
                raise MessageError(
                    f"the checkpoint has version {found.version} and {len(found.buckets)} buckets, this "
                    f"worker {LAYOUT_VERSION} and {count}; use a new group, or the settings it was made with"
                )
            buckets = cls(kind, log, count, found.offset, found.time)
            complete = all(buckets._restore(number, found, bucket(number)) for number in range(count))
        except DECODE_ERRORS as error:
            raise MessageError(f"the checkpoint cannot be read: {error}") from error
        return buckets if complete else None

    def _restore(self, number: int, position: CheckpointPosition, data: bytes | None) -> bool:
        """Take in a bucket; return False when the checkpoint lacks it."""
        if data is None:
            return False
        snapshot = _decode_bucket(data)
        if snapshot.log != self._log:
            return False
        bucket = self._buckets[number]
        bucket.contents = dict(map(self._kind.decode, snapshot.contents))
        if snapshot.offset < position.buckets[number]:
            # Overwritten by a worker that had lost the partition: replay from where that one was.
            if snapshot.offset < self.offset:
                self.offset, self.time = snapshot.offset, snapshot.time
            bucket.offset = snapshot.offset
        else:
            bucket.offset = max(snapshot.offset, position.offset)
        self._complete_max = max(self._complete_max, bucket.offset)
        self._written[number] = snapshot.offset
        return True

    def bucket_of(self, name: str) -> PartitionBucket[S]:
        """Return the bucket that a name is in."""
        bucket = self._by_name.get(name)
        if bucket is None:
            # The low bits chose the partition; the high ones are still evenly spread within it.
            place = (crc32(name.encode()) >> 16) % len(self._buckets)
            bucket = self._by_name[name] = self._buckets[place]
        return bucket

    def content_to_change(self, name: str) -> S:
        """Return what is kept under a name, made if there is nothing; the next checkpoint will have it."""
        bucket = self.bucket_of(name)
        bucket.dirty = True
        content = bucket.contents.get(name)
        if content is None:
            content = bucket.contents[name] = self._kind.new()
        return content

    def has_applied(self, name: str, offset: int) -> bool:
        """Whether the content of a name already holds what a record did: a replay meets these.

        Its outputs were durable before the checkpoint was.
        """
        return offset <= self._complete_max and offset <= self.bucket_of(name).offset

    def items(self) -> Iterator[tuple[str, S]]:
        """Yield every name and its content."""
        for bucket in self._buckets:
            yield from bucket.contents.items()

    def advance(self, offset: int, time: Instant) -> None:
        """Learn that a record was applied."""
        self.offset = max(self.offset, offset)
        self.time = max(self.time, time)

    def checkpoint_entries(self) -> Iterator[CheckpointEntry]:
        """Yield what to write so that these contents can be restored: changed buckets, and last the position.

        Records may be applied between two entries. So each bucket is complete up to the moment at which it is
        yielded, and all of them at least up to the first: that is where the position stands, and a replay
        meets buckets that know some of its records already. What was told until an entry was yielded must be
        durable before it is written. A bucket counts as written when it is yielded.
        """
        offset, time = self.offset, self.time
        for number, bucket in enumerate(self._buckets):
            if bucket.dirty:
                yield CheckpointEntry(number, self._encoded(number, bucket))
        yield CheckpointEntry(
            None, _encode(CheckpointPosition(LAYOUT_VERSION, self._log, offset, time, tuple(self._written)))
        )

    def _encoded(self, number: int, bucket: PartitionBucket[S]) -> bytes:
        bucket.dirty = False
        self._written[number] = self.offset
        encode = self._kind.encode
        contents = tuple(msgspec.Raw(encode(name, content)) for name, content in bucket.contents.items())
        return _encode(BucketSnapshot(LAYOUT_VERSION, self._log, self.offset, self.time, contents))
