"""Log lines about messages that quarantine does not keep whole: at most one in a minute, with their sum."""

from __future__ import annotations

import logging

from storage.stores.quarantine_usage import LimitedMessages

log = logging.getLogger(__name__)

INTERVAL_S = 60.0


class QuarantineLog:
    """Adds up what batches left out. The first one is logged at once, those of the next minute after it."""

    def __init__(self) -> None:
        self._heads = 0
        self._counted = 0
        self._next_s = float("-inf")

    def add(self, limited: LimitedMessages | None, now_s: float) -> None:
        """Add what a batch left out; log the sum when a minute has passed since the last line.

        Call it for each batch: one that leaves out nothing may be the first one after the minute.
        """
        if limited is not None:
            self._heads += limited.heads
            self._counted += limited.counted
        if now_s < self._next_s or not (self._heads or self._counted):
            return
        log.error(
            "quarantine is full: of %d messages since the last such line it keeps the head only, %d are only "
            "counted; look at GET /v1/quarantine for the feed and the device that send them",
            self._heads,
            self._counted,
            extra={
                "event": "historian.quarantine_full",
                "heads": self._heads,
                "counted": self._counted,
            },
        )
        self._heads = self._counted = 0
        self._next_s = now_s + INTERVAL_S
