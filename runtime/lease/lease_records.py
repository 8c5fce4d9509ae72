"""The records of a lease topic, and the pure rule by which their order decides who works.

A record is valid or not by the records before it alone, so every reader agrees, whatever its clock says and
however late it reads. The process whose claim is the last valid one *holds* the lease: only its records are
valid, each with the next number. A claim names the last valid record that the claimant has read. It is
invalid if there is another valid one between: its holder is alive. So an old holder cannot append after a
claim, and a claimant cannot displace a holder that it merely did not hear.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from twin.errors import MessageError
from twin.wire.codec import DECODE_ERRORS

LEASE_LAYOUT = 1


class RecordKind(StrEnum):
    """The kinds of records."""

    CLAIM = "claim"  #: takes the lease
    APPEND = "append"  #: of the holder: it lives; or a part of its state
    RELEASE = "release"  #: of the holder: it ends, and anybody may claim at once


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


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LeaseRecord).decode


def encode_lease_record(record: LeaseRecord) -> bytes:
    """Return the value of a record of the log."""
    return _encode(record)


def decode_lease_record(value: bytes) -> LeaseRecord:
    """Return the record of a value. Raises MessageError when this program cannot read it."""
    try:
        record = _decode(value)
    except DECODE_ERRORS as error:
        raise MessageError(f"not a record of a lease: {error}") from error
    if record.layout != LEASE_LAYOUT:
        raise MessageError(
            f"the record of a lease has layout {record.layout}, this program reads {LEASE_LAYOUT}: "
            "upgrade the program"
        )
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

    def __init__(self, *, is_whole: bool = True) -> None:
        #: whether reading began at the first record, or at one that is known to be valid
        self._is_whole = is_whole
        self.owner = ""  #: the holder; empty when nobody has ever claimed
        self.epoch = 0
        self.number = 0  #: of the last valid record
        self.base = 0  #: of the last valid record
        self.is_released = False

    @property
    def last(self) -> tuple[int, int]:
        """Epoch and number of the last valid record."""
        return self.epoch, self.number

    def next_claim(self, owner: str) -> LeaseRecord:
        """Return the claim of a process that has read up to here."""
        return LeaseRecord(
            kind=RecordKind.CLAIM,
            owner=owner,
            epoch=self.epoch + 1,
            number=0,
            after=self.last,
            base=self.base,
        )

    def apply(self, record: LeaseRecord) -> bool:
        """Apply the next record of the log; return whether it is valid."""
        if not self._is_valid(record):
            return False
        self.owner, self.epoch, self.number = record.owner, record.epoch, record.number
        self.base = record.base
        self.is_released = record.kind is RecordKind.RELEASE
        return True

    def _is_valid(self, record: LeaseRecord) -> bool:
        if self.epoch == 0:
            # The first record that is read. Where the records before it are missing, a claim may be invalid.
            return record.epoch > 0 and (self._is_whole or record.kind is not RecordKind.CLAIM)
        if record.kind is RecordKind.CLAIM:
            return record.epoch == self.epoch + 1 and record.after == self.last
        if record.epoch > self.epoch:
            # Its writer has read its own valid claim, which lies before the first record that was read here.
            return True
        return (
            record.epoch == self.epoch
            and record.owner == self.owner
            and record.number == self.number + 1
            and not self.is_released
        )
