"""Acknowledgements are read in any form and in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load.connection_state import parse_pubacks

NO_SUBSCRIBER = 0x10

Puback = tuple[int, int | None]  # packet id, reason


def packet(puback: Puback) -> bytes:
    id, reason = puback
    rest = id.to_bytes(2, "big") + (b"" if reason is None else bytes([reason]))
    return bytes([0x40, len(rest)]) + rest


@given(
    st.lists(st.tuples(st.integers(1, 65_535), st.sampled_from([None, 0, NO_SUBSCRIBER]))),
    st.lists(st.integers(0, 200)),
)
def test_any_mixture_of_acknowledgements_in_any_pieces_is_read(
    pubacks: list[Puback], cuts: list[int]
) -> None:
    data = b"".join(map(packet, pubacks))
    ends = [*sorted(one for one in cuts if one < len(data)), len(data)]
    begin, rest = 0, b""
    ids: list[int] = []
    unheard = 0
    for end in ends:
        found = parse_pubacks(rest + data[begin:end])
        ids += found.packet_ids.tolist()
        unheard += found.without_subscriber
        begin, rest = end, found.rest
    assert ids == [id for id, _ in pubacks]
    assert unheard == sum(reason == NO_SUBSCRIBER for _, reason in pubacks)
    assert not rest


def test_other_packets_are_refused() -> None:
    with pytest.raises(ConnectionError, match="0xe0"):
        parse_pubacks(packet((1, None)) + b"\xe0\x00")
