"""Until when everything that a log had has been read: never more than its answers prove."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka.read_progress import ReadProgress


def test_nothing_is_known_before_each_partition_was_read_to_an_end() -> None:
    progress = ReadProgress(2)
    progress.on_answer(0, 5, 100, 5)
    assert progress.caught_up_time is None  # An answer that came at 100 can be older.
    progress.on_answer(0, 5, 200, 5)
    assert progress.caught_up_time is None  # The other partition is not read.
    progress.on_answer(1, 0, 150, 0)
    progress.on_answer(1, 0, 250, 0)
    assert progress.caught_up_time == 100


def test_a_quiet_log_that_answers_keeps_the_reader_up_to_date() -> None:
    progress = ReadProgress(1)
    for time in range(100, 1_000, 100):
        progress.on_answer(0, 5, time, 5)
    assert progress.caught_up_time == 800


def test_a_log_that_does_not_answer_leaves_the_time_where_it_is() -> None:
    progress = ReadProgress(1)
    progress.on_answer(0, 5, 100, 5)
    progress.on_answer(0, 5, 200, 5)
    for _ in range(10):
        progress.on_answer(0, 5, 200, 5)
    assert progress.caught_up_time == 100


def test_a_reader_that_stands_still_leaves_the_time_where_it_is() -> None:
    progress = ReadProgress(1)
    progress.on_answer(0, 5, 100, 5)
    progress.on_answer(0, 5, 200, 5)
    for time in range(300, 1_000, 100):
        progress.on_answer(0, 9, time, 5)
    assert progress.caught_up_time == 100


def test_a_reader_that_follows_an_end_which_always_moves_is_a_little_behind() -> None:
    progress = ReadProgress(1)
    for number in range(2, 12):
        progress.on_answer(0, 10 * number, 100 * number, 10 * number - 5)
    # At the last answer it is behind the end of the one before the last.
    assert progress.caught_up_time == 900


def test_an_answer_that_waited_in_a_process_that_stood_still_proves_nothing_new() -> None:
    progress = ReadProgress(1)
    progress.on_answer(0, 5, 100, 5)
    progress.on_answer(0, 5, 200, 5)
    progress.on_answer(0, 5, 60_000, 5)  # It was on its way since 200.
    assert progress.caught_up_time == 200


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 10), st.integers(0, 30)), min_size=1, max_size=30)
)
def test_everything_until_the_time_was_read(steps: list[tuple[int, int, int]]) -> None:
    """Each step: the log grows, the reader reads, and an answer shows the end as it was when asked for."""
    progress, now, end, position = ReadProgress(1), 0, 0, 0
    ends = {0: 0}  # at each time
    for passed, written, read in steps:
        asked_end = end  # The oldest that the answer may show: the end when it was asked for.
        end += written
        now += 1 + passed
        position = min(asked_end, position + read) if position < asked_end else position
        progress.on_answer(0, asked_end, now, position)
        ends[now] = end
        time = progress.caught_up_time
        if time is not None:
            assert position >= max(end for at, end in ends.items() if at <= time)
