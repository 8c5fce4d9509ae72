"""The delay until the next attempt of a delivery, and when there is no next attempt."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from outlets.retry_policy import WebhookRetryPolicy
from twin.instant import HOUR, SECOND

POLICY = WebhookRetryPolicy(first_s=1.0, max_s=60.0, attempts_max=5, age_max_s=3_600.0)


@given(failures=st.integers(1, 10_000), seed=st.integers(), retry_after_s=st.none() | st.floats(0, 1e9))
def test_a_pause_is_never_longer_than_its_bound_nor_shorter_than_half(
    failures: int, seed: int, retry_after_s: float | None
) -> None:
    delay = POLICY.delay_s(failures, Random(seed), retry_after_s)
    longest = min(60.0, 2.0 ** min(failures - 1, 10))
    assert longest / 2 <= delay <= 60.0
    if retry_after_s is None:
        assert delay <= longest


def test_delays_double_and_follow_from_the_seed() -> None:
    delays = [POLICY.delay_s(failures, Random(7)) for failures in range(1, 9)]
    assert delays[:6] == [delays[0] * 2**number for number in range(6)]
    assert delays[6:] == [Random(7).uniform(30, 60)] * 2


def test_retry_after_is_respected_within_the_bound() -> None:
    assert POLICY.delay_s(1, Random(7), 20.0) == 20.0
    assert POLICY.delay_s(1, Random(7), 1e6) == 60.0


def test_a_message_is_given_up_after_too_many_attempts_or_too_long() -> None:
    assert not POLICY.is_exhausted(4, 0, HOUR - SECOND)
    assert POLICY.is_exhausted(5, 0, SECOND)
    assert POLICY.is_exhausted(1, 0, HOUR)
