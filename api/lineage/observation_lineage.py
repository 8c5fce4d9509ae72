"""Lineage of single observations: calibration, flags, and the raw message that they arrived in."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from typing import NamedTuple

from api.access.source_visibility import may_see_payloads, may_see_source
from api.context import ApiContext
from api.lineage.models import CalibrationPeriod, LineageMessage, LogPosition, ObservationLineage
from runtime.kafka.topics import OBSERVATIONS
from storage.database import Connection
from storage.history.history_reader import read_extents
from storage.history.lineage import SourceDatastream, StoredMessage, find_message
from storage.history.read_plan import DatastreamExtent
from twin.errors import MessageError
from twin.instant import INSTANT_MAX, Duration, format_instant
from twin.model.calibration import Calibration, calibration_at
from twin.model.observation import Observation
from twin.model.role import Role
from twin.quality.quality_check import check_times
from twin.quality.quality_flags import QualityFlag, quality_word
from twin.quality.quality_rules import TIME_RULES_ONLY, QualityRules
from twin.wire.messages import partition_of

# Finding the message of one observation in its partition takes about a millisecond.
TRACED_MAX = 50


class TracedObservation(NamedTuple):
    """A calibrated and checked observation, with its lineage as it is answered."""

    observation: Observation
    lineage: ObservationLineage
    interval: Duration  #: expected time between two


class ObservationTracer:
    """Traces observations of one property of one entity back to their messages, for one role."""

    def __init__(
        self,
        context: ApiContext,
        connection: Connection,
        entity: str,
        property: str,
        sources: Collection[SourceDatastream],
    ) -> None:
        observed = context.model.properties.get(property)
        self._connection = connection
        self._partition = partition_of(entity, context.settings.partitions)
        self._sources = {source.id: source for source in sources}
        self._rules: QualityRules = observed.quality if observed is not None else TIME_RULES_ONLY
        self._extents: dict[int, DatastreamExtent] = {}

    async def trace(self, observations: Sequence[Observation], role: Role) -> list[TracedObservation]:
        """Return observations with their lineage; pass at most `TRACED_MAX` at a time.

        What identifies a device is included for the roles that may see it (`api.access.source_visibility`),
        payloads for staff. The caller decides whether a role gets observations of personal sensors at all.
        """
        missing = sorted({each.datastream for each in observations} - self._extents.keys())
        if missing:
            extents = await read_extents(self._connection, missing, None)
            self._extents |= {extent.id: extent for extent in extents}
        return [await self._trace(observation, role) for observation in observations]

    async def _trace(self, raw: Observation, role: Role) -> TracedObservation:
        extent, source = self._extents[raw.datastream], self._sources[raw.datastream]
        calibration = calibration_at(extent.calibrations, raw.phenomenon_time)
        value = raw.value
        if calibration is not None:
            value = calibration.gain * value + calibration.offset
        flags = raw.flags | check_times(raw.phenomenon_time, raw.received_time, self._rules, extent.interval)
        traced = ObservationLineage(
            datastream_id=raw.datastream,
            sensor_id=source.sensor,
            phenomenon_time=format_instant(raw.phenomenon_time),
            received_time=format_instant(raw.received_time),
            raw_value=raw.value,
            value=value,
            quality=quality_word(flags),
            flags=flag_names(flags),
            calibration=_calibration(calibration) if calibration is not None else None,
            message=await self._message(raw, source, role),
        )
        observation = Observation(raw.datastream, raw.phenomenon_time, raw.received_time, value, flags)
        return TracedObservation(observation, traced, extent.interval)

    async def _message(self, raw: Observation, source: SourceDatastream, role: Role) -> LineageMessage | None:
        try:
            message = await find_message(
                self._connection, self._partition, raw.datastream, raw.received_time, raw.rank
            )
        except MessageError as error:
            return LineageMessage(problem=str(error))
        if message is None:
            return None
        shown = may_see_source(role, message.header.device, sensor=source.sensor, personal=source.personal)
        return _message_lineage(message, shown=shown, with_payload=shown and may_see_payloads(role))


def _calibration(calibration: Calibration) -> CalibrationPeriod:
    return CalibrationPeriod(
        start=format_instant(calibration.start),
        end=format_instant(calibration.end) if calibration.end < INSTANT_MAX else None,
        gain=calibration.gain,
        offset=calibration.offset,
    )


def _message_lineage(message: StoredMessage, *, shown: bool, with_payload: bool) -> LineageMessage:
    """Return a message; unless it is `shown`, without what identifies its device: topic, device and hash."""
    header = message.header
    payload = message.payload if with_payload else None
    return LineageMessage(
        topic=header.topic if shown else None,
        feed=header.feed,
        device=header.device if shown else None,
        received_time=format_instant(header.received_time),
        decoder=header.decoder,
        decoder_version=header.decoder_version,
        payload_bytes=header.payload_bytes,
        payload_sha256=header.payload_sha256.hex() if shown else None,
        payload=base64.b64encode(payload).decode() if payload is not None else None,
        session=message.session,
        sequence=header.sequence if header.sequence >= 0 else None,
        replayed=header.sequence < 0,
        log=LogPosition(
            id=message.log_id,
            topic=OBSERVATIONS,
            partition=message.partition,
            offset=message.log_offset,
        ),
    )


def flag_names(flags: int) -> list[str]:
    """Return the names of quality flags.

    >>> flag_names(QualityFlag.OUT_OF_RANGE | QualityFlag.LATE)
    ['late', 'out-of-range']
    """
    return [(flag.name or "").lower().replace("_", "-") for flag in QualityFlag if flags & flag]
