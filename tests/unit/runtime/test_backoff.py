"""Back-off: delays double after each failure, up to a bound, and start again after a success."""

from __future__ import annotations

from runtime.backoff import Backoff, backoff_delay


def test_delays_double_up_to_the_longest_and_start_again_after_a_reset() -> None:
    backoff = Backoff(first_s=0.5, max_s=3.0)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_whole_numbers_stay_whole_and_any_number_of_failures_is_bounded() -> None:
    assert [backoff_delay(failures, 2, 120) for failures in (1, 3, 7, 10_000)] == [2, 8, 120, 120]
