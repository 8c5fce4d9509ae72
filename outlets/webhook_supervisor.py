"""All webhooks: begun, ended and resumed as the database says, and their progress stored there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from outlets.webhook_delivery import Delivery, Means
from outlets.webhook_repository import Book
from storage.stores.webhooks import Webhook
from twin.errors import ServiceError

log = logging.getLogger(__name__)

# A killed process repeats what it delivered since it wrote last; receivers know events again by their ids.
LOOK_S = 1.0
LAST_WORDS_S = 3.0


class _Running(NamedTuple):
    delivery: Delivery
    task: asyncio.Task[None]


class Webhooks:
    """One task for each webhook. While the database is away they go on."""

    def __init__(self, book: Book, means: Means) -> None:
        self._book = book
        self._means = means
        self._running: dict[str, _Running] = {}
        self._answers = True

    async def run(self) -> None:
        """Work until cancelled, then store how far everybody is."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            for id in list(self._running):
                self._running[id].task.cancel()
            await asyncio.gather(*(one.task for one in self._running.values()), return_exceptions=True)
            try:
                async with asyncio.timeout(LAST_WORDS_S):
                    await self._store()
            except (ServiceError, TimeoutError) as error:
                log.warning("progress of webhooks is not stored, some events will be repeated: %r", error)
            await self._book.close()

    async def _look(self) -> None:
        try:
            await self._store()
            found = await self._book.webhooks()
        except ServiceError as error:
            if self._answers:
                log.warning("webhooks are neither begun nor ended just now: %s", error)
            self._answers = False
            return
        self._answers = True
        await self._follow(found)

    async def _store(self) -> None:
        moved = [one.delivery for one in self._running.values() if one.delivery.moved]
        told = [(one.webhook.id, one.webhook.edition, one.progress) for one in moved]
        if told:
            await self._book.advance(told)
            for one, (_, _, progress) in zip(moved, told, strict=True):
                # It may have moved on while this was under way.
                one.moved = one.progress is not progress

    async def _follow(self, found: Sequence[Webhook]) -> None:
        """Run what should be running, and nothing else."""
        editions = {one.id: one.edition for one in found}
        for id, one in list(self._running.items()):
            if editions.get(id) != one.delivery.webhook.edition or _broke(one):
                del self._running[id]
                one.task.cancel()
                await asyncio.gather(one.task, return_exceptions=True)
        for webhook in found:
            if webhook.id not in self._running and webhook.progress.state == "active":
                self._begin(webhook)
        active = [one.delivery.progress for one in self._running.values() if not one.task.done()]
        self._means.metrics.webhooks.set(len(active))
        self._means.metrics.webhooks_failing.set(sum(one.failures > 0 for one in active))

    def _begin(self, webhook: Webhook) -> None:
        try:
            delivery = Delivery(webhook, self._means)
        except ValueError as error:
            log.error("webhook %s has a filter that this version cannot read: %s", webhook.id, error)
            return
        task = asyncio.create_task(delivery.run(), name=f"webhook {webhook.id}")
        self._running[webhook.id] = _Running(delivery, task)


def _broke(one: _Running) -> bool:
    """Whether a delivery ended by a fault of ours, which is told; it begins anew from where it was."""
    if not one.task.done() or one.task.cancelled():
        return False
    error = one.task.exception()
    if error is not None:
        log.error("the delivery of webhook %s failed", one.delivery.webhook.id, exc_info=error)
    return error is not None
