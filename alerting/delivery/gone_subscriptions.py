"""Removes the subscriptions of browsers that have ended, as their push services say, from the city model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from storage.database import DATABASE_UNAVAILABLE, connect
from storage.model.push_subscriptions import remove_push_subscriptions
from twin.errors import TwinError

log = logging.getLogger(__name__)

RETRY_S = 30.0
"""How often an unavailable database is tried; until then a message finds again that they have ended."""

REMOVE_S_MAX = 5.0


class GoneSubscriptions:
    """The ids that are still to be removed: at most as many as the model has."""

    def __init__(self, database: str, city: str) -> None:
        self._database = database
        self._city = city
        self._ids: set[str] = set()
        self._has_ids = asyncio.Event()

    def add(self, ids: Iterable[str]) -> None:
        """Have subscriptions removed."""
        self._ids.update(ids)
        if self._ids:
            self._has_ids.set()

    async def run(self) -> None:
        """Remove what was added, until cancelled."""
        while True:
            await self._has_ids.wait()
            self._has_ids.clear()
            ids = frozenset(self._ids)
            try:
                async with (
                    asyncio.timeout(REMOVE_S_MAX),
                    await connect(self._database, role="alerting") as connection,
                ):
                    removed = await remove_push_subscriptions(connection, self._city, sorted(ids))
            except (*DATABASE_UNAVAILABLE, TimeoutError, TwinError) as error:
                log.info(
                    "cannot remove subscriptions that have ended: %r",
                    error,
                    extra={"event": "alerting.database_unavailable"},
                )
                await asyncio.sleep(RETRY_S)
                self._has_ids.set()
                continue
            self._ids -= ids
            for one in removed:
                log.warning(
                    "a browser of contact %s takes no messages any more",
                    one.subscription.contact,
                    extra={
                        "event": "alerting.subscription_gone",
                        "contact": one.subscription.contact,
                        "subscription": one.subscription.id,
                    },
                )
