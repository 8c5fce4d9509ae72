"""The contents of one partition, by name, in buckets; and the entries of their checkpoints. Pure.

A checkpoint writes the buckets that changed, all at once or one by one. Each bucket carries the offset up to
which it is complete. The position of the partition is written last and lists the offsets of all buckets. This
list reveals a checkpoint that is incomplete, or that was overwritten by a worker which had lost the partition
without knowing it yet; the replay then starts early enough.
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
    """The last applied offset of a checkpoint, and the offset of the last write of each bucket."""

    version: int
    log: str
    offset: int
    time: Instant  #: log time of the last applied record
    buckets: tuple[int, ...]


class CheckpointEntry(NamedTuple):
    """One entry of a checkpoint."""

    bucket: int | None  #: its number; None for the position
    value: bytes


S = TypeVar("S")


class ContentCodec(Protocol[S]):
    """Creates, encodes and decodes the contents of buckets."""

    def new(self) -> S:
        """Return an empty content."""
        ...

    def encode(self, name: str, content: S) -> bytes:
        """Return a name and its content as MessagePack."""
        ...

    def decode(self, data: msgspec.Raw) -> tuple[str, S]:
        """Return the name and content that were encoded."""
        ...


class StructCodec(Generic[S]):
    """The codec of contents that msgspec encodes as they are: an array of name and content."""

    def __init__(self, content: type[S]) -> None:
        self.new = content
        self._decode = msgspec.msgpack.Decoder(tuple[str, content]).decode  # type: ignore[valid-type]

    def encode(self, name: str, content: S) -> bytes:
        """Return a name and its content as MessagePack."""
        return _encode((name, content))

    def decode(self, data: msgspec.Raw) -> tuple[str, S]:
        """Return the name and content that were encoded."""
        return self._decode(data)


class PartitionBucket(Generic[S]):
    """Contents that are written to a checkpoint together."""

    __slots__ = ("contents", "dirty", "offset", "time")

    def __init__(self, offset: int, time: Instant) -> None:
        self.contents: dict[str, S] = {}
        self.offset = offset  #: complete up to this offset when it was restored
        self.time = time  #: log time at that offset
        self.dirty = False


_encode = msgspec.msgpack.Encoder().encode
_decode_bucket = msgspec.msgpack.Decoder(BucketSnapshot).decode
_decode_position = msgspec.msgpack.Decoder(CheckpointPosition).decode


class PartitionBuckets(Generic[S]):
    """The contents of one partition in memory. Owned by one worker."""

    def __init__(
        self,
        codec: ContentCodec[S],
        log: str,
        count: int,
        offset: int = BEFORE_FIRST_OFFSET,
        time: Instant = INSTANT_MIN,
    ) -> None:
        self._codec = codec
        self._log = log
        self._buckets: list[PartitionBucket[S]] = [PartitionBucket(offset, time) for _ in range(count)]
        self._written = [offset] * count
        self._by_name: dict[str, PartitionBucket[S]] = {}
        self._complete_max = offset  # of all buckets; a record beyond it is not a replay
        self.offset = offset  #: of the last applied record
        self.time = time  #: log time of the last applied record

    def seed(self, contents: Iterable[tuple[str, S]]) -> None:
        """Add the contents from which a log starts; the next checkpoint writes every bucket."""
        for name, content in contents:
            self.bucket_of(name).contents[name] = content
        for bucket in self._buckets:
            bucket.dirty = True

    @classmethod
    def restored(
        cls,
        codec: ContentCodec[S],
        log: str,
        count: int,
        position: bytes | None,
        bucket: Callable[[int], bytes | None],
    ) -> PartitionBuckets[S] | None:
        """Return the contents as the checkpoint of this log has them; None if there is no such checkpoint.

        Raises MessageError when the checkpoint has another layout version or another number of buckets.
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
            buckets = cls(codec, log, count, found.offset, found.time)
            is_complete = all(buckets._restore(number, found, bucket(number)) for number in range(count))
        except DECODE_ERRORS as error:
            raise MessageError(f"the checkpoint cannot be read: {error}") from error
        return buckets if is_complete else None

    def _restore(self, number: int, position: CheckpointPosition, data: bytes | None) -> bool:
        """Restore a bucket; return False when the checkpoint lacks it."""
        if data is None:
            return False
        snapshot = _decode_bucket(data)
        if snapshot.log != self._log:
            return False
        bucket = self._buckets[number]
        bucket.contents = dict(map(self._codec.decode, snapshot.contents))
        if snapshot.offset < position.buckets[number]:
            # Overwritten by a worker that had lost the partition: replay from the offset of that worker.
            if snapshot.offset < self.offset:
                self.offset, self.time = snapshot.offset, snapshot.time
            bucket.offset, bucket.time = snapshot.offset, snapshot.time
        else:
            bucket.offset = max(snapshot.offset, position.offset)
            bucket.time = max(snapshot.time, position.time)
        self._complete_max = max(self._complete_max, bucket.offset)
        self._written[number] = snapshot.offset
        return True

    def bucket_of(self, name: str) -> PartitionBucket[S]:
        """Return the bucket that a name belongs to."""
        bucket = self._by_name.get(name)
        if bucket is None:
            # The low bits chose the partition; the high ones are still evenly spread within it.
            number = (crc32(name.encode()) >> 16) % len(self._buckets)
            bucket = self._by_name[name] = self._buckets[number]
        return bucket

    def peek(self, name: str) -> S | None:
        """Return the content of a name, which must not be changed; None if there is none."""
        return self.bucket_of(name).contents.get(name)

    def content_to_change(self, name: str) -> S:
        """Return the content of a name, created if necessary; the next checkpoint writes its bucket."""
        bucket = self.bucket_of(name)
        bucket.dirty = True
        content = bucket.contents.get(name)
        if content is None:
            content = bucket.contents[name] = self._codec.new()
        return content

    def has_applied(self, name: str, offset: int) -> bool:
        """Whether the content of a name contains the effect of a record already, as happens in a replay.

        The outputs of such a record were durable before the checkpoint was written.
        """
        return offset <= self._complete_max and offset <= self.bucket_of(name).offset

    def items(self) -> Iterator[tuple[str, S]]:
        """Yield every name and its content."""
        for bucket in self._buckets:
            yield from bucket.contents.items()

    def advance(self, offset: int, time: Instant) -> None:
        """Note that the record at `offset` was applied, at a log time."""
        self.offset = max(self.offset, offset)
        self.time = max(self.time, time)

    def checkpoint_entries(self) -> Iterator[CheckpointEntry]:
        """Yield the entries that restore these contents: the changed buckets, and last the position.

        Records may be applied between two entries. So each bucket is complete up to the moment at which it is
        yielded, and all of them at least up to the first entry, whose offset the position holds. A replay
        therefore meets buckets that contain some of its records. Outputs that were made before an entry was
        yielded must be durable before it is written. A bucket counts as written when it is yielded.
        """
        offset, time = self.offset, self.time
        for number, bucket in enumerate(self._buckets):
            if bucket.dirty:
                yield CheckpointEntry(number, self._encoded(number, bucket))
        position = CheckpointPosition(LAYOUT_VERSION, self._log, offset, time, tuple(self._written))
        yield CheckpointEntry(None, _encode(position))

    def _encoded(self, number: int, bucket: PartitionBucket[S]) -> bytes:
        bucket.dirty = False
        # Another model also changes a bucket that the replay has not caught up with.
        offset, time = max(self.offset, bucket.offset), max(self.time, bucket.time)
        self._written[number] = offset
        encode = self._codec.encode
        contents = tuple(msgspec.Raw(encode(name, content)) for name, content in bucket.contents.items())
        return _encode(BucketSnapshot(LAYOUT_VERSION, self._log, offset, time, contents))
