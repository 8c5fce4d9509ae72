"""Plays a recording to MQTT: in order, with its own timing, and nothing is done before it is acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulators.mqtt_connection import DeviceConnection
from simulators.replay.recording import ReplayMessage
from simulators.settings import SimulatorSettings
from twin.errors import ServiceError
from twin.instant import SECOND, Instant, format_instant

REPLAY_TIME = "livetwin-replay-time"
"""User property of each message: the recording's own clock, ISO 8601 in UTC. Where ingest accepts replays
(LIVETWIN_ACCEPT_REPLAY), it is the time of reception."""

CONNECT_S_MAX = 30.0
SETTLE_S_MAX = 60.0
PROGRESS_EVERY_S = 5.0
_NAP_S_MIN = 0.002
# Messages after which other tasks get their turn.
_TURN_MESSAGES = 50


async def play(
    messages: Sequence[ReplayMessage],
    settings: SimulatorSettings,
    *,
    speed: float | None,
    on_progress: Callable[[str], None],
) -> str:
    """Play messages, given in the order of time; return the summary.

    `speed` is in seconds of the recording a second, None for as fast as the broker acknowledges. Raises
    ServiceError when no broker answers, or when it does not take every message in.
    """
    connection = DeviceConnection(settings, 1, MQTTProtocolVersion.MQTTv5)
    connection.start()
    try:
        try:
            await asyncio.wait_for(connection.connected.wait(), CONNECT_S_MAX)
        except TimeoutError:
            raise ServiceError(
                f"no MQTT broker answers at {settings.mqtt_host}:{settings.mqtt_port}; start one, as with "
                "`livetwin up`, or say where it is with --mqtt-host, --mqtt-port or --ports-file"
            ) from None
        player = _Player(connection, messages, on_progress)
        try:
            await player.run(speed)
        except asyncio.CancelledError:
            on_progress(f"stopped after {connection.sent} of {len(messages)} messages")
            raise
        settled = await connection.wait_acknowledged(SETTLE_S_MAX)
        if not settled or connection.refused:
            raise ServiceError(
                f"of {connection.sent} messages the broker refused {connection.refused} and left "
                f"{connection.unacknowledged} unacknowledged; play the recording again, nothing counts twice"
            )
        return player.summary()
    finally:
        await connection.stop(0.0)


class _Player:
    """One recording being played."""

    def __init__(
        self, connection: DeviceConnection, messages: Sequence[ReplayMessage], tell: Callable[[str], None]
    ) -> None:
        self._connection = connection
        self._messages = messages
        self._tell = tell

    async def run(self, speed: float | None) -> None:
        loop = asyncio.get_running_loop()
        start = told = loop.time()
        first = self._messages[0].time
        for number, message in enumerate(self._messages, 1):
            if speed is not None:
                due = start + (message.time - first) / SECOND / speed
                while (wait := due - loop.time()) > _NAP_S_MIN:
                    await asyncio.sleep(min(wait, PROGRESS_EVERY_S))
                    told = self._progress(told, number - 1, message.time)
            await self._connection.publish(message.topic, message.payload, _properties(message.received))
            if number % _TURN_MESSAGES == 0:
                await asyncio.sleep(0)
                told = self._progress(told, number, message.time)

    def _progress(self, told: float, sent: int, time: Instant) -> float:
        """Tell how far it is when that was not told for a while; return when it was told last."""
        now = asyncio.get_running_loop().time()
        if now - told < PROGRESS_EVERY_S:
            return told
        share = 100 * sent // len(self._messages)
        self._tell(
            f"{sent} of {len(self._messages)} messages sent ({share} %), the recording is at "
            f"{format_instant(time)}, {self._connection.unacknowledged} not acknowledged"
        )
        return now

    def summary(self) -> str:
        """Return what was sent, as lines."""
        sent = Counter(message.source for message in self._messages)
        lines = [
            f"{len(self._messages)} messages sent and acknowledged, from "
            f"{format_instant(self._messages[0].time)} to {format_instant(self._messages[-1].time)}"
        ]
        first: dict[str, Instant] = {}
        last: dict[str, Instant] = {}
        for message in self._messages:
            first.setdefault(message.source, message.time)
            last[message.source] = message.time
        lines += (
            f"  {source}: {count} messages, {format_instant(first[source])} to {format_instant(last[source])}"
            for source, count in sorted(sent.items())
        )
        if self._connection.without_subscriber:
            lines.append(
                f"  {self._connection.without_subscriber} of them had no subscriber: does ingest run?"
            )
        return "\n".join(lines)


def _properties(received: Instant) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = (REPLAY_TIME, format_instant(received))
    return properties
