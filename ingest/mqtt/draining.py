"""The last session of a replica that goes for good: what the broker keeps for it is taken, and nothing new.

What a broker keeps for one replica of a shared subscription no other is given, so whoever just leaves would
take it along.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any

from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.mqtt.bulk_reading import BulkClient, SingleMessageClient
from ingest.mqtt.message import MqttMessage
from ingest.mqtt.session import MqttSession

log = logging.getLogger(__name__)

# A broker hands over what it keeps as fast as it is acknowledged.
IDLE_S = 3.0
_POLL_S = 0.1


class DrainingSession(MqttSession):
    """Ends the subscriptions instead of making them, and the session once it is worked off."""

    _last_activity = math.inf  # when something came last, or the subscriptions ended; loop time
    _drained = False

    async def wait_drained(self) -> None:
        """Return when nothing has come for `IDLE_S`, and all that came is acknowledged."""
        while self._buffered_bytes or self._loop.time() - self._last_activity < IDLE_S:  # noqa: ASYNC110 - paho's thread ends it
            await asyncio.sleep(_POLL_S)
        self._drained = True
        log.info("the broker keeps nothing more for %s", self._options.client_id)

    def _disconnect_properties(self) -> Properties | None:
        if not self._drained:
            return None
        properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0
        return properties

    # -- paho's thread from here on ---------------------------------------------------------------------

    def _new_client(self) -> BulkClient | SingleMessageClient:
        client = super()._new_client()
        client.on_unsubscribe = self._on_unsubscribe
        return client

    def _subscribe(self, client: Client) -> None:
        client.unsubscribe([self._subscription(one) for one in self._filters])

    def _on_unsubscribe(
        self, _client: Client, _userdata: Any, _mid: int, _reasons: list[ReasonCode], _properties: Any
    ) -> None:
        self._last_activity = self._loop.time()
        self._loop.call_soon_threadsafe(self._subscribed.set)

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        self._last_activity = math.inf
        super()._on_disconnect(client, userdata, flags, reason, properties)

    def _enqueue(self, messages: list[MqttMessage]) -> None:
        self._last_activity = self._loop.time()
        super()._enqueue(messages)
