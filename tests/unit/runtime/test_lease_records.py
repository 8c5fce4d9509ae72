"""A record of a lease reads back; one of a newer program is told apart from what is no record at all."""

from __future__ import annotations

import msgspec
import pytest

from runtime.lease.lease_records import (
    LEASE_LAYOUT,
    LeaseRecord,
    NewerLeaseLayoutError,
    RecordKind,
    decode_lease_record,
    encode_lease_record,
)
from twin.errors import MessageError

RECORD = LeaseRecord(kind=RecordKind.APPEND, owner="east/1", epoch=2, number=5, base=7, payload=b"x", log="a")


def test_a_record_reads_back_as_it_was_written() -> None:
    assert decode_lease_record(encode_lease_record(RECORD)) == RECORD


@pytest.mark.parametrize("rest", [(), ("append", "east/1", 2, 5), ({"kind": "shared"}, None, -1)])
def test_a_record_of_a_newer_program_is_one_whatever_its_shape(rest: tuple[object, ...]) -> None:
    value = msgspec.msgpack.encode((LEASE_LAYOUT + 1, *rest))
    with pytest.raises(
        NewerLeaseLayoutError, match=f"layout {LEASE_LAYOUT + 1}, .* reads layout {LEASE_LAYOUT}"
    ):
        decode_lease_record(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"layout": LEASE_LAYOUT + 1}),
        msgspec.msgpack.encode((LEASE_LAYOUT,)),
        msgspec.msgpack.encode((0, "append", "east/1", 2, 5)),
    ],
)
def test_other_bytes_are_no_record(value: bytes) -> None:
    with pytest.raises(MessageError, match="not a record of a lease") as caught:
        decode_lease_record(value)
    assert not isinstance(caught.value, NewerLeaseLayoutError)
