"""The session of a replica that is removed: it receives what the broker keeps for it, and nothing new.

The broker gives the messages that it keeps for one replica of a shared subscription to no other replica.
Without draining, the messages of a removed replica would never arrive.
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

IDLE_S = 3.0
"""Silence after which nothing is left: a broker sends the next kept message once one is acknowledged."""
_POLL_S = 0.1


class DrainingSession(MqttSession):
    """Unsubscribes instead of subscribing, and ends the session when it is drained."""

    _last_activity = math.inf  # time of the last message, or of the end of the subscriptions; loop time
    _drained = False

    async def wait_drained(self) -> None:
        """Wait until no message has arrived for `IDLE_S`, and all messages are acknowledged."""
        while self._buffered_bytes or self._loop.time() - self._last_activity < IDLE_S:  # noqa: ASYNC110 - paho's thread ends it
            await asyncio.sleep(_POLL_S)
        self._drained = True
        self._continuity.on_ended()
        log.info(
            "the broker keeps no more messages for %s",
            self._options.client_id,
            extra={"event": "ingest.mqtt_drained", "client_id": self._options.client_id},
        )

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
        client.unsubscribe([self._subscription(topic_filter) for topic_filter in self._filters])

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
