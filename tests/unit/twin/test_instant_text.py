"""The text of an instant equals that of the standard library."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twin.instant import INSTANT_MAX, INSTANT_MIN, format_instant, to_datetime


@given(st.integers(INSTANT_MIN, INSTANT_MAX))
def test_the_text_of_an_instant_equals_that_of_its_datetime(instant: int) -> None:
    assert format_instant(instant) == to_datetime(instant).replace(tzinfo=None).isoformat() + "Z"
