"""A flood that fills quarantine does not fill the log."""

from __future__ import annotations

import pytest

from storage.historian.quarantine_log import INTERVAL_S, QuarantineLog
from storage.stores.quarantine_usage import LimitedMessages

NOTHING_LEFT_OUT = LimitedMessages()


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, int]]:
    """Return the sums of the lines so far: heads only, and only counted."""
    assert {record.levelname for record in caplog.records} <= {"ERROR"}
    return [(vars(record)["heads"], vars(record)["counted"]) for record in caplog.records]


def test_the_first_message_is_logged_at_once_and_the_sum_of_others_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = QuarantineLog()
    for second in range(int(INTERVAL_S)):
        lines.add(LimitedMessages(heads=2, counted=1), 7.0 + second)
    assert logged(caplog) == [(2, 1)]
    # The flood is over, and what it left out is logged all the same.
    lines.add(None, 7.0 + INTERVAL_S)
    assert logged(caplog) == [(2, 1), (2 * (int(INTERVAL_S) - 1), int(INTERVAL_S) - 1)]
    assert "of 118 messages since the last such line it keeps the head only, 59" in caplog.messages[-1]


def test_nothing_is_logged_while_quarantine_keeps_everything(caplog: pytest.LogCaptureFixture) -> None:
    lines = QuarantineLog()
    for second in range(300):
        lines.add(NOTHING_LEFT_OUT if second % 2 else None, float(second))
    assert logged(caplog) == []


def test_a_new_flood_is_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    lines = QuarantineLog()
    lines.add(LimitedMessages(heads=1), 0.0)
    lines.add(NOTHING_LEFT_OUT, INTERVAL_S)
    lines.add(LimitedMessages(counted=3), INTERVAL_S + 1)
    assert logged(caplog) == [(1, 0), (0, 3)]
