"""Of the clients that do not read, the one with the most waiting bytes is cut off first."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from api.http.limits.waiting_answers import CutOffReason, WaitingAnswers
from api.metrics import ApiMetrics


class Connection:
    """A connection that records how it was ended."""

    def __init__(self) -> None:
        self.reason: CutOffReason | None = None

    def cut_off(self, reason: CutOffReason) -> None:
        self.reason = reason


@pytest.fixture
def waiting() -> WaitingAnswers:
    return WaitingAnswers(100, ApiMetrics(CollectorRegistry()))


def test_the_client_with_the_most_bytes_loses_its_longest_waiting_connection(waiting: WaitingAnswers) -> None:
    one, first, second = Connection(), Connection(), Connection()
    waiting.add(one, "a", 40)
    waiting.add(first, "b", 30)
    waiting.add(second, "b", 31)
    assert (one.reason, first.reason, second.reason) == (None, "memory", None)
    assert waiting.bytes == 71


def test_what_was_read_waits_no_more(waiting: WaitingAnswers) -> None:
    one, other = Connection(), Connection()
    waiting.add(one, "a", 90)
    waiting.add(one, "a", 20)
    waiting.add(other, "b", 80)
    waiting.remove(one)
    waiting.remove(one)
    assert (one.reason, other.reason, waiting.bytes) == (None, None, 80)
