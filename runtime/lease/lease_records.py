"""The records of a lease topic, and the pure rule by which their order decides who works.

A record is valid or not by the records before it alone, so every reader agrees, whatever its clock says and
however late it reads. The process whose claim is the last valid one *holds* the lease: only its records are
valid, each with the next number. A claim names the last valid record that the claimant has read. It is
invalid if there is another valid one between: its holder is alive. So an old holder cannot append after a
claim, and a claimant cannot displace a holder that it merely did not hear.

A lease begins with a claim. A record also names the log for which it was written: one that was under way
when the log was replaced arrives on the new one, perhaps as its first record, and means nothing there.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto

import msgspec

from twin.errors import MessageError
from twin.wire.codec import DECODE_ERRORS

LEASE_LAYOUT = 1


class RecordKind(StrEnum):
    """The kinds of records."""

    CLAIM = "claim"  #: takes the lease
    APPEND = "append"  #: of the holder: it lives; or a part of its state
    RELEASE = "release"  #: of the holder: it ends, and anybody may claim at once


class ReadingStart(Enum):
    """What is known of the first record that is read."""

    LEASE_START = auto()  #: nobody has held the lease before it, so it must be a claim
    VALID_RECORD = auto()  #: it is valid
    UNKNOWN = auto()  #: records before it are missing, so nobody knows whether a claim is valid


class NewerLeaseLayoutError(MessageError):
    """A record of a lease was written by a newer program."""


class LeaseRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A record of a lease topic."""

    layout: int = LEASE_LAYOUT
    kind: RecordKind
    owner: str  #: the process that wrote it
    epoch: int  #: 1 for the first claim of a log; each further valid claim has the next one
    number: int  #: 0 for a claim, then 1, 2, … in its epoch
    after: tuple[int, int] = (0, 0)  #: of a claim: epoch and number of the last valid record
    base: int = 0  #: offset from which a new reader must read
    payload: bytes = b""
    log: str = ""  #: identity of the log that it was written for

    def names_base_of(self, log: str, offset: int) -> bool:
        """Return whether this record at an offset of a log names an offset of that log, not of another."""
        return self.log == log and self.base <= offset


class _LayoutOfRecord(msgspec.Struct, array_like=True):
    """The part that a record of any layout begins with."""

    layout: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LeaseRecord).decode
_decode_layout = msgspec.msgpack.Decoder(_LayoutOfRecord).decode


def encode_lease_record(record: LeaseRecord) -> bytes:
    """Return the value of a record of the log."""
    return _encode(record)


def decode_lease_record(value: bytes) -> LeaseRecord:
    """Return the record of a value.

    Raises NewerLeaseLayoutError when a newer program wrote it, and MessageError when it is no record of a
    lease.
    """
    try:
        layout = _decode_layout(value).layout
        if layout > LEASE_LAYOUT:
            raise NewerLeaseLayoutError(
                f"a record of a lease has layout {layout}, and this program reads layout {LEASE_LAYOUT}"
            )
        record = _decode(value)
    except DECODE_ERRORS as error:
        raise MessageError(f"not a record of a lease: {error}") from error
    if layout != LEASE_LAYOUT:
        raise MessageError(f"not a record of a lease: its layout is {layout}, not {LEASE_LAYOUT}")
    return record


class LeaseOrder:
    """The state of a lease after the records that were read, in their order. Pure.

    >>> order = LeaseOrder()
    >>> claim = LeaseRecord(kind=RecordKind.CLAIM, owner="a", epoch=1, number=0)
    >>> order.apply(claim), order.apply(claim)
    (True, False)
    >>> order.apply(LeaseRecord(kind=RecordKind.APPEND, owner="a", epoch=1, number=1))
    True
    >>> late = LeaseRecord(kind=RecordKind.CLAIM, owner="b", epoch=2, number=0, after=(1, 0))
    >>> order.apply(late), order.owner
    (False, 'a')
    """

    def __init__(
        self, log: str = "", start: ReadingStart = ReadingStart.LEASE_START, start_offset: int = 0
    ) -> None:
        self.log = log  #: identity of the log that is read
        self._start = start
        self._unproven = (0, 0)  #: the last claim whose validity is unknown, as `last`
        self._claimed_after = (0, 0)  #: what the last valid claim named
        self.owner = ""  #: the holder; empty when nobody has ever claimed
        self.epoch = 0
        self.number = 0  #: of the last valid record
        self.base = start_offset  #: of the last valid record
        self.is_released = False

    @property
    def last(self) -> tuple[int, int]:
        """Epoch and number of the last valid record."""
        return self.epoch, self.number

    def next_claim(self, owner: str) -> LeaseRecord:
        """Return the claim of a process that has read up to here."""
        after = self.last if self.epoch else self._unproven
        return LeaseRecord(
            kind=RecordKind.CLAIM,
            owner=owner,
            epoch=after[0] + 1,
            number=0,
            after=after,
            base=self.base,
            log=self.log,
        )

    def apply(self, record: LeaseRecord) -> bool:
        """Apply the next record of the log; return whether it is valid."""
        if not self._is_valid(record):
            return False
        self.owner, self.epoch, self.number = record.owner, record.epoch, record.number
        self.base = record.base
        self.is_released = record.kind is RecordKind.RELEASE
        if record.kind is RecordKind.CLAIM:
            self._claimed_after = record.after
        return True

    def _is_valid(self, record: LeaseRecord) -> bool:
        if record.log != self.log or record.epoch <= 0:
            return False
        if self.epoch == 0:
            return self._is_valid_first(record)
        if record.kind is RecordKind.CLAIM:
            return record.epoch == self.epoch + 1 and record.after == self.last
        # The writer of a greater epoch has read its own valid claim, which lies before the first record read.
        return record.epoch > self.epoch or self._refutes_claim(record) or self._continues_epoch(record)

    def _continues_epoch(self, record: LeaseRecord) -> bool:
        if record.epoch != self.epoch or record.owner != self.owner:
            return False
        if self._start is ReadingStart.UNKNOWN:
            # The first record read may be a late copy, so that numbers are missing; or a release that came
            # after another record with its number: its sender sends nothing more after a valid one.
            return record.number > self.number
        return record.number == self.number + 1 and not self.is_released

    def _refutes_claim(self, record: LeaseRecord) -> bool:
        """Return whether a record proves that the last claim was invalid, although it seemed to be valid.

        Where records are missing, the record that the claim names may have been read as a late copy, after
        others that made the claim invalid. A holder has read all of its own records, so its record decides:
        of the epoch of the claim, or of the epoch before with a number that it cannot have reached.
        """
        if self._start is not ReadingStart.UNKNOWN or self.number > 0:
            return False
        epoch, number = self._claimed_after
        is_of_other = record.epoch == self.epoch and record.owner != self.owner
        return is_of_other or (record.epoch == epoch and record.number > number + 1)

    def _is_valid_first(self, record: LeaseRecord) -> bool:
        if self._start is ReadingStart.VALID_RECORD:
            return True
        if self._start is ReadingStart.LEASE_START:
            return record.kind is RecordKind.CLAIM
        if record.kind is not RecordKind.CLAIM:
            return True
        # Nothing but claims: the last one counts once another names it, as its sender has appended nothing.
        unproven, self._unproven = self._unproven, (record.epoch, 0)
        return unproven != (0, 0) and record.after == unproven and record.epoch == unproven[0] + 1
