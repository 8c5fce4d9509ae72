"""Whether the broker still keeps the session of ingest: notices a session that was taken over, or emptied.

Between two connections the broker keeps messages in the session. Another client with our client id can end
our connection, and delete the session; so can the broker, by a restart without its data.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import NamedTuple

from paho.mqtt.reasoncodes import ReasonCode

from runtime.clock import Clock
from twin.instant import MINUTE, Duration, Instant
from twin.quality.plausibility import QuarantineReason

log = logging.getLogger(__name__)

SESSION_TAKEN_OVER = 0x8E
"""MQTT 5, 2.4: another client connected with the same client id."""

REPORT_INTERVAL: Duration = MINUTE
"""Interruptions of one kind are reported at most this often, with their number."""


class Interruption(NamedTuple):
    """Interruptions of the session of one kind since the last report."""

    reason: QuarantineReason
    times: int
    first: Instant
    last: Instant


class SessionContinuity:
    """Counts the interruptions of a session. Its methods may run in any thread.

    `file` exists while the broker should have a session, so a loss is noticed after a restart of ingest, too;
    without it, only from the second connection of this process on.
    """

    def __init__(self, clock: Clock, file: Path | None = None) -> None:
        self._clock = clock
        self._file = file
        self._lock = threading.Lock()
        self._has_session = file is not None and file.exists()
        self._unreported: dict[QuarantineReason, Interruption] = {}
        self._reported: dict[QuarantineReason, Instant] = {}

    def on_connected(self, session_present: bool) -> bool:
        """Note a connection; return whether the broker lost the session that it had."""
        is_lost = self._has_session and not session_present
        if is_lost:
            self._add(QuarantineReason.SESSION_LOST)
        if not self._has_session:
            self._has_session = True
            self._create_file()
        return is_lost

    def on_disconnected(self, reason: ReasonCode) -> bool:
        """Note the end of a connection; return whether another client took the session over."""
        is_taken_over = reason.value == SESSION_TAKEN_OVER
        if is_taken_over:
            self._add(QuarantineReason.SESSION_TAKEN_OVER)
        return is_taken_over

    def on_ended(self) -> None:
        """Note that we ended the session ourselves, for good."""
        self._has_session = False
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def due_reports(self) -> list[Interruption]:
        """Return what happened and was not reported; of each kind at most once per `REPORT_INTERVAL`."""
        now = self._clock()
        with self._lock:
            due = [
                one
                for reason, one in self._unreported.items()
                if reason not in self._reported or not 0 <= now - self._reported[reason] < REPORT_INTERVAL
            ]
            for one in due:
                del self._unreported[one.reason]
                self._reported[one.reason] = now
        return due

    def _add(self, reason: QuarantineReason) -> None:
        now = self._clock()
        with self._lock:
            known = self._unreported.get(reason, Interruption(reason, 0, now, now))
            self._unreported[reason] = known._replace(times=known.times + 1, last=now)

    def _create_file(self) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch(mode=0o600)
        except OSError as error:
            log.warning(
                "%s cannot be written (%s): a session that the broker loses while ingest is stopped is not "
                "noticed",
                self._file,
                error.strerror,
                extra={"event": "ingest.session_file_unwritable"},
            )
