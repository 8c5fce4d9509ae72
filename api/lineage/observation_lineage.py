"""Origins: observations with everything that made their value, back to the message that they came in."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from api.context import ApiContext
from api.http.access import Role
from runtime.kafka.topics import OBSERVATIONS
from storage.database import Connection
from storage.history.history_reader import read_extents
from storage.history.lineage import SourceDatastream, StoredMessage, find_message
from storage.history.read_plan import DatastreamExtent
from twin.errors import MessageError
from twin.instant import INSTANT_MAX, Duration, format_instant
from twin.model.calibration import calibration_at
from twin.model.observation import Observation
from twin.model.role import may_read_personal_data
from twin.quality.quality_check import check_times
from twin.quality.quality_flags import QualityFlag, quality_word
from twin.quality.quality_rules import TIME_RULES_ONLY, QualityRules
from twin.wire.messages import partition_of

Document = dict[str, Any]

# Each is looked up in the messages of its partition, which takes about a millisecond.
TRACED_MAX = 50


class TracedObservation(NamedTuple):
    """An observation that was calibrated and judged, and what it was made of."""

    observation: Observation  #: as it counts
    document: Document
    interval: Duration  #: expected time between two


class ObservationTracer:
    """Walks from observations of one property of one entity back to their messages, for one role."""

    def __init__(
        self,
        context: ApiContext,
        connection: Connection,
        entity: str,
        property: str,
        behind: Collection[SourceDatastream],
    ) -> None:
        known = context.model.properties.get(property)
        self._connection = connection
        self._model = context.model
        self._partition = partition_of(entity, context.settings.partitions)
        self._behind = {one.id: one for one in behind}
        self._rules: QualityRules = known.quality if known is not None else TIME_RULES_ONLY
        self._kept: dict[int, DatastreamExtent] = {}

    async def trace(self, origins: Sequence[Observation], role: Role) -> list[TracedObservation]:
        """Return observations with their origin; at most `TRACED_MAX` are asked for at a time.

        Payloads of personal sensors are told to the role metering alone. That their observations are not
        given to others at all is up to the caller.
        """
        missing = sorted({one.datastream for one in origins} - self._kept.keys())
        if missing:
            self._kept |= {one.id: one for one in await read_extents(self._connection, missing, None)}
        return [await self._trace(one, role) for one in origins]

    async def _trace(self, origin: Observation, role: Role) -> TracedObservation:
        kept, behind = self._kept[origin.datastream], self._behind[origin.datastream]
        calibration = calibration_at(kept.calibrations, origin.phenomenon_time)
        value = origin.value
        if calibration is not None:
            value = calibration.gain * value + calibration.offset
        times = check_times(origin.phenomenon_time, origin.received_time, self._rules, kept.interval)
        flags = origin.flags | times
        hidden = behind.personal and not may_read_personal_data(role)
        document: Document = {
            "datastreamId": origin.datastream,
            "sensorId": behind.sensor,
            "phenomenonTime": format_instant(origin.phenomenon_time),
            "receivedTime": format_instant(origin.received_time),
            "rawValue": origin.value,
            "value": value,
            "quality": quality_word(flags),
            "flags": flag_names(flags),
            "calibration": None,
            "message": await self._message(origin, hidden=hidden),
        }
        if calibration is not None:
            open_ended = calibration.end >= INSTANT_MAX
            document["calibration"] = {
                "start": format_instant(calibration.start),
                "end": None if open_ended else format_instant(calibration.end),
                "gain": calibration.gain,
                "offset": calibration.offset,
            }
        observation = Observation(
            origin.datastream, origin.phenomenon_time, origin.received_time, value, flags
        )
        return TracedObservation(observation, document, kept.interval)

    async def _message(self, origin: Observation, *, hidden: bool) -> Document | None:
        try:
            found = await find_message(
                self._connection, self._partition, origin.datastream, origin.received_time
            )
        except MessageError as error:
            return {"problem": str(error)}
        return message_document(found, hidden=hidden) if found is not None else None


def message_document(message: StoredMessage, *, hidden: bool) -> Document:
    """Return a message; `hidden` leaves its payload out, not its hash."""
    header = message.header
    told = message.payload is not None and not hidden
    return {
        "topic": header.topic,
        "feed": header.feed,
        "device": header.device,
        "receivedTime": format_instant(header.received_time),
        "decoder": header.decoder,
        "decoderVersion": header.decoder_version,
        "payloadBytes": header.payload_bytes,
        "payloadSha256": header.payload_sha256.hex(),
        "payload": base64.b64encode(message.payload or b"").decode() if told else None,
        "session": message.session,
        "sequence": header.sequence if header.sequence >= 0 else None,
        "replayed": header.sequence < 0,
        "log": {
            "id": message.log_id,
            "topic": OBSERVATIONS,
            "partition": message.partition,
            "offset": message.log_offset,
        },
    }


def flag_names(flags: int) -> list[str]:
    """Return the names of quality flags.

    >>> flag_names(QualityFlag.OUT_OF_RANGE | QualityFlag.LATE)
    ['late', 'out-of-range']
    """
    return [(one.name or "").lower().replace("_", "-") for one in QualityFlag if flags & one]
