"""Play a recording over MQTT: in order, with its timing, until every message is acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulators.mqtt_connection import DeviceConnection
from simulators.replay.recording import ReplayMessage
from simulators.settings import SimulatorSettings
from twin.errors import ServiceError
from twin.instant import SECOND, Instant, format_instant

REPLAY_TIME = "livetwin-replay-time"
"""MQTT user property with the recorded time of each message, ISO 8601 in UTC. If ingest accepts replays
(LIVETWIN_ACCEPT_REPLAY), it uses that as the reception time."""

REPLAY_RANK = "livetwin-replay-rank"
"""MQTT user property with the rank of each message: of two values received at one time, the one with the
greater rank became known later (`twin.model.observation.order_of_knowledge`)."""

REPLAY_ANY_AGE = "livetwin-replay-any-age"
"""MQTT user property, `true`: the values may be older than the limit of their property."""

CONNECT_TIMEOUT_S = 30.0
ACKNOWLEDGE_TIMEOUT_S = 60.0
PROGRESS_EVERY_S = 5.0
_PAUSE_S_MIN = 0.002
# The player yields to other tasks after this many messages.
_MESSAGES_PER_TURN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """How a recording is played: as history, received when it was recorded, or as a correction, received now.

    Of two plays of history, the one that started later became known later.
    """

    started: Instant
    correction: bool = False
    any_age: bool = False  #: whether the limits of age do not apply; only for a correction

    def user_properties(self, time: Instant, number: int) -> list[tuple[str, str]]:
        """Return the user properties of the message with this recorded time and this number in the play."""
        if not self.correction:
            return [(REPLAY_TIME, format_instant(time)), (REPLAY_RANK, str(self.started + number))]
        return [(REPLAY_ANY_AGE, "true")] if self.any_age else []


async def play(
    messages: Sequence[ReplayMessage],
    settings: SimulatorSettings,
    *,
    playing: Playing,
    speed: float | None,
    on_progress: Callable[[str], None],
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
) -> str:
    """Play messages, given in the order of time; return the summary.

    `speed` is in seconds of the recording a second, None for as fast as the broker acknowledges. Raises
    ServiceError when no broker answers, or when it does not take every message in.
    """
    connection = DeviceConnection(settings, 1, MQTTProtocolVersion.MQTTv5)
    connection.start()
    try:
        try:
            await asyncio.wait_for(connection.connected.wait(), connect_timeout_s)
        except TimeoutError:
            raise ServiceError(
                f"no MQTT broker answers at {settings.mqtt_host}:{settings.mqtt_port}; start one, as with "
                "`livetwin up`, or give its address with --mqtt-host, --mqtt-port or --ports-file"
            ) from None
        player = _Player(connection, messages, playing, on_progress)
        try:
            await player.run(speed)
        except asyncio.CancelledError:
            on_progress(f"stopped after {connection.sent} of {len(messages)} messages")
            raise
        acknowledged = await connection.wait_acknowledged(ACKNOWLEDGE_TIMEOUT_S)
        if not acknowledged or connection.refused:
            raise ServiceError(
                f"of {connection.sent} messages the broker refused {connection.refused} and did not "
                f"acknowledge {connection.unacknowledged}; play the recording again: nothing is counted twice"
            )
        return player.summary()
    finally:
        await connection.stop(0.0)


class _Player:
    """Plays one recording."""

    def __init__(
        self,
        connection: DeviceConnection,
        messages: Sequence[ReplayMessage],
        playing: Playing,
        on_progress: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._messages = messages
        self._playing = playing
        self._on_progress = on_progress

    async def run(self, speed: float | None) -> None:
        loop = asyncio.get_running_loop()
        start = reported = loop.time()
        first = self._messages[0].time
        for number, message in enumerate(self._messages, 1):
            if speed is not None:
                due = start + (message.time - first) / SECOND / speed
                while (wait := due - loop.time()) > _PAUSE_S_MIN:
                    await asyncio.sleep(min(wait, PROGRESS_EVERY_S))
                    reported = self._report_progress(reported, number - 1, message.time)
            pairs = self._playing.user_properties(message.time, number)
            await self._connection.publish(message.topic, message.payload, _properties(pairs))
            if number % _MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)
                reported = self._report_progress(reported, number, message.time)

    def _report_progress(self, reported: float, sent: int, time: Instant) -> float:
        """Report the progress after `PROGRESS_EVERY_S`; return the time of the last report."""
        now = asyncio.get_running_loop().time()
        if now - reported < PROGRESS_EVERY_S:
            return reported
        share = 100 * sent // len(self._messages)
        self._on_progress(
            f"{sent} of {len(self._messages)} messages sent ({share} %), the recording is at "
            f"{format_instant(time)}, {self._connection.unacknowledged} not acknowledged"
        )
        return now

    def summary(self) -> str:
        """Return a summary of the sent messages, one line per source."""
        sent = Counter(message.source for message in self._messages)
        playing = self._playing
        lines = [
            f"{len(self._messages)} messages sent and acknowledged, from "
            f"{format_instant(self._messages[0].time)} to {format_instant(self._messages[-1].time)}",
            f"  played as a correction: known since {format_instant(playing.started)}"
            if playing.correction
            else "  played as history: known since the times of the recording",
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
                f"  {self._connection.without_subscriber} of them had no subscriber: is ingest running?"
            )
        return "\n".join(lines)


def _properties(pairs: Sequence[tuple[str, str]]) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if pairs:
        properties.UserProperty = list(pairs)
    return properties
