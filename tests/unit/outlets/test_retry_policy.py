"""Back-off: how long until the next try, and when there is none."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from outlets.retry_policy import WebhookRetryPolicy
from twin.instant import HOUR, SECOND

POLICY = WebhookRetryPolicy(first_s=1.0, max_s=60.0, attempts_max=5, age_max_s=3_600.0)


@given(failures=st.integers(1, 10_000), seed=st.integers(), asked=st.none() | st.floats(0, 1e9))
def test_a_pause_is_never_longer_than_its_bound_nor_shorter_than_half(
    failures: int, seed: int, asked: float | None
) -> None:
    pause = POLICY.delay_s(failures, Random(seed), asked)
    whole = min(60.0, 2.0 ** min(failures - 1, 10))
    assert whole / 2 <= pause <= 60.0
    if asked is None:
        assert pause <= whole


def test_pauses_double_and_the_same_seed_gives_the_same() -> None:
    pauses = [POLICY.delay_s(failures, Random(7)) for failures in range(1, 9)]
    assert pauses[:6] == [pauses[0] * 2**one for one in range(6)]
    assert pauses[6:] == [Random(7).uniform(30, 60)] * 2


def test_a_receiver_is_left_alone_as_long_as_it_asks_within_the_bound() -> None:
    assert POLICY.delay_s(1, Random(7), 20.0) == 20.0
    assert POLICY.delay_s(1, Random(7), 1e6) == 60.0


def test_a_message_is_given_up_after_so_many_tries_or_so_long() -> None:
    assert not POLICY.is_exhausted(4, 0, HOUR - SECOND)
    assert POLICY.is_exhausted(5, 0, SECOND)
    assert POLICY.is_exhausted(1, 0, HOUR)
