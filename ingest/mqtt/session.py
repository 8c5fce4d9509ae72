"""The MQTT session: receives batches of messages, and acknowledges them.

paho runs the protocol in its own thread (connect, subscribe, keep-alive, reconnect) and collects the next
batch; `ingest.mqtt.bulk_reading` reads the messages where the version of paho allows it. Two bounds create
back-pressure: MQTT 5's receive maximum limits unacknowledged QoS 1 messages, and a full buffer stops the
reading of the socket, which also delays QoS 0.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import mqtt5
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.mqtt.bulk_reading import UNREQUESTED_S_MAX, BulkClient, SingleMessageClient, new_mqtt_client
from ingest.mqtt.continuity import SessionContinuity
from ingest.mqtt.message import (
    MqttMessage,
    ReceptionTimes,
    ReplayedReception,
    memory_bytes,
    replayed_reception,
    topic_text,
)
from runtime.clock import Clock
from runtime.mqtt.access import MqttAccess, connect_error
from runtime.mqtt.client import stop_client
from twin.instant import Instant

log = logging.getLogger(__name__)

RECONNECT_DELAY_S_MIN = 1
RECONNECT_DELAY_S_MAX = 15

FLUSH_S_MAX = 2.0
"""How long a closing session waits until the broker has processed its acknowledgements."""

# How long the reading thread waits for free capacity before it checks whether the session closes.
_CAPACITY_CHECK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSessionOptions:
    """The broker, the identity of the session, and its bounds."""

    broker: MqttAccess
    client_id: str
    keepalive_s: int
    session_expiry_s: int
    receive_max: int
    buffer_bytes_max: int
    shared_subscription: str  #: name of the shared subscription; empty: not shared
    accept_replay: bool = False  #: whether to use `ingest.mqtt.message.replayed_reception`
    unrequested_s_max: float = UNREQUESTED_S_MAX  #: see `ingest.mqtt.bulk_reading`
    reconnect_delay_s_min: float = RECONNECT_DELAY_S_MIN


class MqttSession:
    """A persistent MQTT 5 session on a shared subscription, with explicit acknowledgements.

    The broker sends an unacknowledged message again after a reconnect. A message of an earlier connection is
    not acknowledged: if the broker lost the session, its packet id now belongs to another message.
    """

    def __init__(
        self,
        options: MqttSessionOptions,
        filters: Sequence[str],
        clock: Clock,
        continuity: SessionContinuity | None = None,
    ) -> None:
        self._options = options
        self._continuity = continuity or SessionContinuity(clock)
        self._filters = tuple(filters)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._messages_available = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._waiting: list[MqttMessage] = []
        self._buffered_bytes = 0  # received and not released
        self._capacity = threading.Condition()
        self._connection_number = 0
        self._closing = False
        self._reception_times = ReceptionTimes()
        self._wakeup_scheduled = False
        self._client = self._new_client()

    async def open(self) -> None:
        """Connect, retry until the broker answers, and wait until it confirms the subscriptions."""
        self._client.connect_async(
            self._options.broker.host,
            self._options.broker.port,
            keepalive=self._options.keepalive_s,
            clean_start=False,
            properties=self._connect_properties(),
        )
        self._client.loop_start()
        await self._subscribed.wait()

    async def next_batch(self, messages_max: int) -> list[MqttMessage]:
        """Wait for messages; return those that have arrived, in this order, at most `messages_max`."""
        while True:
            with self._capacity:
                self._wakeup_scheduled = False
                messages = self._waiting[:messages_max]
                del self._waiting[: len(messages)]
                if not self._waiting:
                    self._messages_available.clear()
            if messages:
                return messages
            self._client.request_batch()
            await self._messages_available.wait()

    def acknowledge(self, messages: Sequence[MqttMessage]) -> None:
        """Acknowledge messages to the broker, and free their buffer space."""
        current = [
            message for message in messages if message.qos and message.connection == self._connection_number
        ]
        self._client.acknowledge([message.packet_id for message in current if message.qos == 1])
        for message in current:
            if message.qos != 1:
                self._client.ack(message.packet_id, message.qos)
        with self._capacity:
            self._buffered_bytes -= memory_bytes(messages)
            self._capacity.notify_all()

    @property
    def connected(self) -> bool:
        """Whether the session is connected to the broker."""
        return self._client.is_connected()

    async def resubscribe(self, filters: Sequence[str]) -> None:
        """Replace the subscriptions by these filters."""
        removed = [topic_filter for topic_filter in self._filters if topic_filter not in filters]
        self._filters = tuple(filters)
        if removed:
            self._client.unsubscribe([self._subscription(topic_filter) for topic_filter in removed])
        self._subscribe(self._client)

    async def close(self) -> None:
        """Disconnect; the broker keeps the session with all unacknowledged messages."""
        self._closing = True
        with self._capacity:
            self._capacity.notify_all()
        self._client.request_batch()
        await asyncio.to_thread(self._flush_acknowledgements)
        self._client.disconnect(properties=self._disconnect_properties())
        await asyncio.to_thread(stop_client, self._client)

    def _disconnect_properties(self) -> Properties | None:
        return None

    def _flush_acknowledgements(self) -> None:
        """Wait until the broker has processed every acknowledgement, at most `FLUSH_S_MAX`.

        The broker reads in order, so its answer to a message of ours follows them. Without it, closing a
        socket with unread messages resets the connection, and the acknowledgements on their way are lost.
        """
        if self._client.is_connected():
            # The client id may be a secret: no topic contains it.
            sent = self._client.publish("livetwin/ingest/status", b"stopping", qos=1)
            with suppress(RuntimeError, ValueError):
                sent.wait_for_publish(FLUSH_S_MAX)

    # -- paho's thread from here on ---------------------------------------------------------------------

    def _new_client(self) -> BulkClient | SingleMessageClient:
        client = new_mqtt_client(
            self._on_batch,
            unrequested_s_max=self._options.unrequested_s_max,
            callback_api_version=CallbackAPIVersion.VERSION2,
            client_id=self._options.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        self._options.broker.configure_client(client)
        # paho declares whole seconds, and accepts fractions.
        delay_s_min: Any = self._options.reconnect_delay_s_min
        client.reconnect_delay_set(delay_s_min, RECONNECT_DELAY_S_MAX)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._options.session_expiry_s
        properties.ReceiveMaximum = self._options.receive_max
        return properties

    def _subscription(self, topic_filter: str) -> str:
        return (
            f"$share/{self._options.shared_subscription}/{topic_filter}"
            if self._options.shared_subscription
            else topic_filter
        )

    def _on_connect(
        self, client: Client, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.error(
                "the MQTT broker refused the connection: %s", reason, extra={"event": "ingest.mqtt_refused"}
            )
            return
        self._connection_number += 1
        log.info(
            "connected to the MQTT broker at %s, session %s",
            self._options.broker.address,
            "continued" if flags.session_present else "new",
            extra={"event": "ingest.mqtt_connected", "session_present": bool(flags.session_present)},
        )
        if self._continuity.on_connected(bool(flags.session_present)):
            log.error(
                "the MQTT broker no longer has the session of ingest: it deleted the messages that waited; "
                "see MqttSessionInterrupted in docs/how-to/runbook.md",
                extra={"event": "ingest.mqtt_session_lost"},
            )
        self._subscribe(client)

    def _on_connect_fail(self, _client: Client, _userdata: Any) -> None:
        log.warning(
            "no MQTT broker at %s (%s); retrying",
            self._options.broker.address,
            connect_error(),
            extra={"event": "ingest.mqtt_unreachable"},
        )

    def _subscribe(self, client: Client) -> None:
        # Else each connect would bring the retained messages again.
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        code, _ = client.subscribe(
            [(self._subscription(topic_filter), options) for topic_filter in self._filters]
        )
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            log.warning(
                "subscribing failed (%s); it is retried after the next connect",
                code.name,
                extra={"event": "ingest.mqtt_subscribe_failed"},
            )

    def _on_subscribe(
        self, _client: Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            log.error(
                "the MQTT broker refused %d of %d subscriptions: %s",
                len(refused),
                len(reasons),
                refused,
                extra={"event": "ingest.mqtt_subscription_refused"},
            )
            return
        self._loop.call_soon_threadsafe(self._subscribed.set)

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        self._connection_number += 1  # messages of the old connection are no longer acknowledged
        if self._continuity.on_disconnected(reason):
            log.error(
                "another client connected to the MQTT broker with the client id of ingest, and ended its "
                "connection; see MqttSessionInterrupted in docs/how-to/runbook.md",
                extra={"event": "ingest.mqtt_session_taken_over"},
            )
        elif not self._closing:
            log.warning(
                "the connection to the MQTT broker ended (%s); reconnecting",
                reason,
                extra={"event": "ingest.mqtt_disconnected"},
            )

    def _on_message(self, _client: Client, _userdata: Any, received: MQTTMessage) -> None:
        # paho sets no attribute for a property that the packet does not have.
        user_properties = getattr(received.properties, "UserProperty", ())
        reception = self._reception(self._reception_times.first_of(1, self._clock()), user_properties)
        message = MqttMessage(
            topic_text(received),
            bytes(received.payload),
            reception.time,
            received.qos,
            received.mid,
            self._connection_number,
            reception.rank,
            reception.any_age,
            received.retain,
        )
        self._enqueue([message])

    def _on_batch(self, packets: list[mqtt5.PublishPacket]) -> None:
        connection = self._connection_number
        first = self._reception_times.first_of(len(packets), self._clock())
        messages = []
        for now, packet in enumerate(packets, first):
            packet_id = packet.packet_id  # None: QoS 0
            qos = 0 if packet_id is None else 1
            if packet.user_properties and self._options.accept_replay:
                time, rank, any_age = replayed_reception(packet.user_properties, now)
                message = MqttMessage(
                    packet.topic,
                    packet.payload,
                    time,
                    qos,
                    packet_id or 0,
                    connection,
                    rank,
                    any_age,
                    packet.retain,
                )
            elif packet.retain:
                message = MqttMessage(
                    packet.topic, packet.payload, now, qos, packet_id or 0, connection, retained=True
                )
            else:
                message = MqttMessage(packet.topic, packet.payload, now, qos, packet_id or 0, connection)
            messages.append(message)
        self._enqueue(messages)

    def _reception(self, now: Instant, user_properties: Iterable[tuple[str, str]]) -> ReplayedReception:
        if user_properties and self._options.accept_replay:
            return replayed_reception(user_properties, now)
        return ReplayedReception(now)

    def _enqueue(self, messages: list[MqttMessage]) -> None:
        """Add messages to the next batch; when the buffer is full, one by one as capacity becomes free."""
        size = memory_bytes(messages)
        with self._capacity:
            if self._buffered_bytes + size <= self._options.buffer_bytes_max:
                self._append(messages, size)
                return
            for message in messages:
                size = memory_bytes([message])
                # A message larger than the whole buffer must still pass, alone.
                while self._buffered_bytes and self._buffered_bytes + size > self._options.buffer_bytes_max:
                    if self._closing:
                        return
                    self._capacity.wait(_CAPACITY_CHECK_S)
                self._append([message], size)

    def _append(self, messages: list[MqttMessage], size: int) -> None:
        self._buffered_bytes += size
        self._waiting += messages
        if not self._wakeup_scheduled and not self._closing:
            self._loop.call_soon_threadsafe(self._messages_available.set)
        self._wakeup_scheduled = True
