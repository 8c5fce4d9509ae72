"""All webhooks: begun, ended and resumed as the database says, and their progress stored there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from outlets.webhook_delivery import DeliveryDependencies, WebhookDelivery
from outlets.webhook_repository import WebhookRepository
from storage.stores.webhooks import Webhook
from twin.errors import ServiceError

log = logging.getLogger(__name__)

# A killed process repeats what it delivered since it wrote last; receivers know events again by their ids.
REFRESH_S = 1.0
FINAL_STORE_TIMEOUT_S = 3.0


class _RunningDelivery(NamedTuple):
    delivery: WebhookDelivery
    task: asyncio.Task[None]


class WebhookSupervisor:
    """One task for each webhook. While the database is away they go on."""

    def __init__(self, repository: WebhookRepository, dependencies: DeliveryDependencies) -> None:
        self._repository = repository
        self._dependencies = dependencies
        self._running: dict[str, _RunningDelivery] = {}
        self._database_up = True

    async def run(self) -> None:
        """Work until cancelled, then store how far everybody is."""
        try:
            while True:
                await self._refresh()
                await asyncio.sleep(REFRESH_S)
        finally:
            for id in list(self._running):
                self._running[id].task.cancel()
            await asyncio.gather(*(one.task for one in self._running.values()), return_exceptions=True)
            try:
                async with asyncio.timeout(FINAL_STORE_TIMEOUT_S):
                    await self._store_progress()
            except (ServiceError, TimeoutError) as error:
                log.warning("progress of webhooks is not stored, some events will be repeated: %r", error)
            await self._repository.close()

    async def _refresh(self) -> None:
        try:
            await self._store_progress()
            found = await self._repository.webhooks()
        except ServiceError as error:
            if self._database_up:
                log.warning("webhooks are neither begun nor ended just now: %s", error)
            self._database_up = False
            return
        self._database_up = True
        await self._reconcile(found)

    async def _store_progress(self) -> None:
        moved = [one.delivery for one in self._running.values() if one.delivery.progress_changed]
        told = [(one.webhook.id, one.webhook.edition, one.progress) for one in moved]
        if told:
            await self._repository.store_progress(told)
            for one, (_, _, progress) in zip(moved, told, strict=True):
                # It may have moved on while this was under way.
                one.progress_changed = one.progress is not progress

    async def _reconcile(self, found: Sequence[Webhook]) -> None:
        """Run what should be running, and nothing else."""
        editions = {one.id: one.edition for one in found}
        for id, one in list(self._running.items()):
            if editions.get(id) != one.delivery.webhook.edition or _has_failed(one):
                del self._running[id]
                one.task.cancel()
                await asyncio.gather(one.task, return_exceptions=True)
        for webhook in found:
            if webhook.id not in self._running and webhook.progress.state == "active":
                self._start(webhook)
        active = [one.delivery.progress for one in self._running.values() if not one.task.done()]
        self._dependencies.metrics.webhooks.set(len(active))
        self._dependencies.metrics.webhooks_failing.set(sum(one.failures > 0 for one in active))

    def _start(self, webhook: Webhook) -> None:
        try:
            delivery = WebhookDelivery(webhook, self._dependencies)
        except ValueError as error:
            log.error("webhook %s has a filter that this version cannot read: %s", webhook.id, error)
            return
        task = asyncio.create_task(delivery.run(), name=f"webhook {webhook.id}")
        self._running[webhook.id] = _RunningDelivery(delivery, task)


def _has_failed(one: _RunningDelivery) -> bool:
    """Whether a delivery ended by a fault of ours, which is told; it begins anew from where it was."""
    if not one.task.done() or one.task.cancelled():
        return False
    error = one.task.exception()
    if error is not None:
        log.error("the delivery of webhook %s failed", one.delivery.webhook.id, exc_info=error)
    return error is not None
