"""Cursors survive encoding, and other texts are refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.live.cursor import Cursor, CursorError, HistoryPlace, decode_cursor, encode_cursor
from twin.instant import INSTANT_MAX, INSTANT_MIN

positions = st.tuples(st.integers(0, 2**62), st.integers(0, 2**31))
times = st.integers(INSTANT_MIN, INSTANT_MAX)
cursors = st.builds(
    Cursor,
    log=st.text(max_size=40),
    positions=st.lists(positions, max_size=64).map(tuple),
    aged_until=st.integers(-(2**62), 2**62),
    partial=st.booleans(),
    history=st.none()
    | st.builds(
        HistoryPlace,
        times,
        times,
        st.integers(-1, 2**31 - 1),
        times,
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
        st.integers(0, 2**63 - 1),
    ),
    played_until=times,
    received_until=times,
)


@given(cursors)
def test_a_cursor_survives_encoding(cursor: Cursor) -> None:
    assert decode_cursor(encode_cursor(cursor)) == cursor


@given(cursors)
def test_a_cursor_fits_a_url_and_a_header(cursor: Cursor) -> None:
    text = encode_cursor(cursor)
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with contextlib.suppress(CursorError):
        decode_cursor(text)


@pytest.mark.parametrize("text", ["", "nonsense", "AAAA", "é", "x" * 30_000, "lKFh"])
def test_random_text_is_not_a_cursor(text: str) -> None:
    with pytest.raises(CursorError):
        decode_cursor(text)


def test_a_cursor_of_another_version_is_refused() -> None:
    with pytest.raises(CursorError, match="version 9"):
        decode_cursor(encode_cursor(Cursor("a", ((0, 0),), 0, version=9)))


def test_a_position_before_the_log_is_refused() -> None:
    with pytest.raises(CursorError, match="before the log"):
        decode_cursor(encode_cursor(Cursor("a", ((-1, 0),), 0)))


def test_a_place_outside_of_history_is_refused() -> None:
    outside = HistoryPlace(0, INSTANT_MAX + 1, 1, 0)
    with pytest.raises(CursorError, match="outside of every history"):
        decode_cursor(encode_cursor(Cursor("", (), 0, history=outside)))
