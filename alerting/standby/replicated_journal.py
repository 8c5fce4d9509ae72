"""The journal of the working process: on its own disk as always, and in the log for the standby."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from alerting.incidents.journal import DutyJournal, JournalChange, JournalContent
from alerting.messages.outgoing_message import AttemptKey
from alerting.standby.journal_updates import JournalUpdate, encode_parts, encode_update
from runtime.lease.lease_log import BEAT_S, RECORD_BYTES_MAX, LeaseLog

WHOLE_EVERY_S = 3600.0
"""How often the whole content is sent again, so that the topic need not keep more than some hours."""

CHANGES_MAX = 10_000
"""Changes that wait while the log is unavailable; beyond this the whole content is sent instead."""


class ReplicatedJournal:
    """Has the methods of `DutyJournal` that the duty loop uses; one task runs `run`.

    An attempt to send a message may begin when `wait` has returned: its intent is in the log then, and before
    the claim of any other process. So whoever takes over knows of it.
    """

    def __init__(self, journal: DutyJournal, lease: LeaseLog, unsent: deque[AttemptKey]) -> None:
        self.unsent = unsent
        self._journal = journal
        self._lease = lease
        self._changes: list[JournalChange] = []
        self._needs_whole = False  # more has changed than is kept
        self._published = 0
        self.has_unpublished = asyncio.Event()
        self._publishable = 0  #: number of the newest event that is in the log
        self._written = 0  #: counts changes
        self._confirmed = 0
        self._is_urgent = asyncio.Event()
        self._is_finishing = False
        self._has_confirmed = asyncio.Condition()

    def read(self) -> JournalContent:
        """Return the content."""
        return self._journal.read()

    def write(self, change: JournalChange) -> None:
        """Write a change to the disk, and send it soon."""
        self._journal.write(change)
        self._written += 1
        if len(self._changes) < CHANGES_MAX:
            self._changes.append(change)
        else:
            self._needs_whole = True
        # Positions and alarms can wait for the next beat: a standby reads them from `alarms` itself.
        if change.messages or change.incidents:
            self._is_urgent.set()

    def unpublished(self, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` of the oldest events that may be published, with their numbers.

        An event that only this process knows may contradict what another one has published meanwhile.
        """
        return [one for one in self._journal.unpublished(limit) if one[0] <= self._publishable]

    def mark_published(self, numbers: Iterable[int]) -> None:
        """Remove events that the log has confirmed, and tell the standby."""
        removed = list(numbers)
        self._journal.mark_published(removed)
        self._published += len(removed)

    async def wait(self) -> None:
        """Return when everything that is written by now is in the log."""
        goal = self._written
        self._is_urgent.set()
        async with self._has_confirmed:
            await self._has_confirmed.wait_for(lambda: self._confirmed >= goal)

    def is_valid(self) -> bool:
        """Return whether this process may hand over a message now; from any thread."""
        return self._lease.is_held()

    async def run(self) -> None:
        """Send, at least a beat a second, until `finish`. Raises LeaseLostError when another works."""
        loop = asyncio.get_running_loop()
        next_whole = 0.0
        while not self._is_finishing:
            if loop.time() >= next_whole:
                await self._send_whole()
                next_whole = loop.time() + WHOLE_EVERY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._is_urgent.wait()
            await self._flush()

    def finish(self) -> None:
        """Let `run` send what is not sent yet, and end."""
        self._is_finishing = True
        self._is_urgent.set()

    async def _flush(self) -> None:
        self._is_urgent.clear()
        goal, update = self._goal(), self._take_update()
        payload = encode_update(update) if update.changes or update.published else b""
        if self._needs_whole or len(payload) > RECORD_BYTES_MAX:
            await self._send_whole()
            return
        await self._lease.append(payload)
        await self._confirm(goal)

    async def _send_whole(self) -> None:
        goal = self._goal()
        self._take_update()  # is part of the content
        self._needs_whole = False
        base: int | None = None
        payloads = list(encode_parts(self._journal.rows()))
        for payload in payloads:
            offset = await self._lease.append(payload)
            base = offset if base is None else base
        await self._lease.append(b"", base)
        await self._confirm(goal)

    def _take_update(self) -> JournalUpdate:
        update = JournalUpdate(changes=tuple(self._changes), published=self._published)
        self._changes, self._published = [], 0
        return update

    def _goal(self) -> tuple[int, int]:
        """Return how many changes are written, and the newest event of them."""
        return self._written, self._journal.newest_unpublished()

    async def _confirm(self, goal: tuple[int, int]) -> None:
        written, newest_event = goal
        async with self._has_confirmed:
            self._confirmed = max(self._confirmed, written)
            self._has_confirmed.notify_all()
        if newest_event > self._publishable:
            self._publishable = newest_event
            self.has_unpublished.set()
