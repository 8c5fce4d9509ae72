"""Waiting for a condition with a deadline, in tests that are not asynchronous."""

from __future__ import annotations

import threading
from collections.abc import Callable

WAIT_S = 60.0
_LOOK_S = 0.05


def wait_until(
    condition: Callable[[], bool], describe: Callable[[], object], timeout_s: float = WAIT_S
) -> None:
    """Return when `holds` does; fail with `what` is there instead when it does not in time."""
    over = threading.Event()
    timer = threading.Timer(timeout_s, over.set)
    timer.start()
    try:
        while not condition():
            assert not over.wait(_LOOK_S), describe()
    finally:
        timer.cancel()
