"""The supervisor of webhooks: runs a delivery for each active webhook in the database."""

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

REFRESH_S = 1.0
"""Webhooks are read, and progress is stored, once a period. After a crash its events are delivered again."""
FINAL_STORE_TIMEOUT_S = 3.0


class _RunningDelivery(NamedTuple):
    delivery: WebhookDelivery
    task: asyncio.Task[None]


class WebhookSupervisor:
    """Runs one task for each webhook, also while the database is unavailable."""

    def __init__(self, repository: WebhookRepository, dependencies: DeliveryDependencies) -> None:
        self._repository = repository
        self._dependencies = dependencies
        self._running: dict[str, _RunningDelivery] = {}
        self._unreadable: dict[str, int] = {}  #: editions of webhooks with a filter that cannot be read
        self._database_up = True

    async def run(self) -> None:
        """Run deliveries until cancelled, then store their progress."""
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
                log.warning(
                    "the progress of webhooks is not stored, some events will be delivered again: %r",
                    error,
                    extra={"event": "outlets.webhook_progress_not_stored"},
                )
            await self._repository.close()

    async def _refresh(self) -> None:
        try:
            await self._store_progress()
            webhooks = await self._repository.webhooks()
        except ServiceError as error:
            if self._database_up:
                log.warning(
                    "webhooks cannot be read; running deliveries continue: %s",
                    error,
                    extra={"event": "outlets.webhook_database_unavailable"},
                )
            self._database_up = False
            return
        self._database_up = True
        await self._reconcile(webhooks)

    async def _store_progress(self) -> None:
        if not self._dependencies.may_send():
            return  # another process stores its own, which is newer
        deliveries = [one.delivery for one in self._running.values() if one.delivery.progress_changed]
        stored = [(one.webhook.id, one.webhook.edition, one.progress) for one in deliveries]
        if stored:
            await self._repository.store_progress(stored)
            for delivery, (_, _, progress) in zip(deliveries, stored, strict=True):
                # The delivery may have advanced while its progress was stored.
                delivery.progress_changed = delivery.progress is not progress

    async def _reconcile(self, webhooks: Sequence[Webhook]) -> None:
        """Start missing deliveries; end those of changed, removed or failed webhooks."""
        editions = {one.id: one.edition for one in webhooks}
        self._unreadable = {id: seen for id, seen in self._unreadable.items() if id in editions}
        for id, running in list(self._running.items()):
            if editions.get(id) != running.delivery.webhook.edition or _has_failed(running):
                del self._running[id]
                running.task.cancel()
                await asyncio.gather(running.task, return_exceptions=True)
        for webhook in webhooks:
            if webhook.id not in self._running and webhook.progress.state == "active":
                self._start(webhook)
        active = [one.delivery.progress for one in self._running.values() if not one.task.done()]
        self._dependencies.metrics.webhooks.set(len(active))
        self._dependencies.metrics.webhooks_failing.set(sum(one.failures > 0 for one in active))

    def _start(self, webhook: Webhook) -> None:
        try:
            delivery = WebhookDelivery(webhook, self._dependencies)
        except ValueError as error:
            if self._unreadable.get(webhook.id) != webhook.edition:
                log.error(
                    "webhook %s has a filter that this version cannot read: %s",
                    webhook.id,
                    error,
                    extra={"event": "outlets.webhook_filter_unreadable", "webhook": webhook.id},
                )
            self._unreadable[webhook.id] = webhook.edition
            return
        task = asyncio.create_task(delivery.run(), name=f"webhook {webhook.id}")
        self._running[webhook.id] = _RunningDelivery(delivery, task)


def _has_failed(running: _RunningDelivery) -> bool:
    """Return whether a delivery ended by an unexpected error, and log it; it then starts again."""
    if not running.task.done() or running.task.cancelled():
        return False
    error = running.task.exception()
    if error is not None:
        webhook = running.delivery.webhook.id
        log.error(
            "the delivery of webhook %s failed",
            webhook,
            exc_info=error,
            extra={"event": "outlets.webhook_delivery_failed", "webhook": webhook},
        )
    return error is not None
