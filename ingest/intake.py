"""The intake: one MQTT message in, its observations and at most one quarantined message out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ingest.decoders import Routes
from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError, Reading
from ingest.mapping import Device, DeviceMap, Target
from ingest.pseudonym import Pseudonymiser
from ingest.session import Message
from twin.errors import UnitError
from twin.instant import Instant
from twin.messages import VERSION, QuarantinedMessage, quarantine_id
from twin.observation import Observation
from twin.plausibility import PlausibilityBounds, Reason, Rejection, judge
from twin.quality import QualityFlag

log = logging.getLogger(__name__)

# A detail is read by a person; the payload beside it has the rest.
DETAIL_REJECTIONS_MAX = 5
DETAIL_CHARACTERS_MAX = 1_000

# Canonical units need no more: a nanometre of water, a nanowatt-hour.
_DECIMALS = 9


class Taken(NamedTuple):
    """What became of one message."""

    partition: int  #: of the observations' entity
    observations: list[Observation]
    quarantined: QuarantinedMessage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """Bounds of the intake."""

    payload_bytes_max: int
    quarantine_bytes_max: int
    plausibility: PlausibilityBounds


class Intake:
    """Decodes, maps, converts and judges; made anew with each version of the model."""

    def __init__(
        self,
        *,
        routes: Routes,
        devices: DeviceMap,
        timezone: str,
        options: IntakeOptions,
        pseudonymise: Pseudonymiser,
    ) -> None:
        self._routes = routes
        self._devices = devices
        self._timezone = timezone
        self._options = options
        self._pseudonymise: Callable[[str], str] = pseudonymise
        self._last_received: Instant = -1
        self._number = 0

    def take(self, message: Message) -> Taken:
        """Return what a message holds. Never raises: what cannot be used is quarantined with its reason."""
        route = self._routes.route(message.topic)
        if route is None:
            rejection = Rejection(Reason.UNKNOWN_TOPIC, f"no feed of the city listens to {message.topic!r}")
            return self._refused(message, "", None, rejection)
        feed, decoder, level = route
        feeds = decoder.feeds if feed in decoder.feeds else (feed,)
        try:
            decoded = self._decode(message, decoder, level)
        except PayloadError as error:
            return self._refused(message, feed, decoder, Rejection(error.reason, error.detail))
        device = self._devices.find(feeds, decoded.device)
        if device is None:
            rejection = Rejection(
                Reason.UNKNOWN_SENSOR,
                f"no sensor of feed {' or '.join(feeds)} has device {decoded.device!r}; "
                "add it to sensors.yaml",
            )
            return self._refused(message, feed, decoder, rejection)
        observations, rejections = self._judged(message, decoded, device)
        if not observations and not rejections:
            fields = ", ".join(sorted({reading.field for reading in decoded.readings})[:20]) or "nothing"
            rejections = [
                Rejection(
                    Reason.NO_OBSERVATION,
                    f"sensor {device.sensor.id} observes {', '.join(sorted(device.targets)) or 'nothing'}, "
                    f"the message holds {fields}",
                )
            ]
        quarantined = self._quarantined(message, feed, decoder, rejections) if rejections else None
        return Taken(device.partition, observations, quarantined)

    def _decode(self, message: Message, decoder: Decoder, level: int | None) -> Decoded:
        size = len(message.payload)
        if size > self._options.payload_bytes_max:
            raise PayloadError(
                Reason.TOO_LARGE,
                f"the payload has {size} bytes, at most {self._options.payload_bytes_max} are decoded",
            )
        try:
            context = DecodingContext(message.received_time, self._timezone)
            decoded = decoder.decode(message.topic, message.payload, context)
        except PayloadError:
            raise
        except Exception as error:
            # A decoder raises nothing else; if one does, the message waits in quarantine for its repair.
            log.exception("decoder %s failed on a message of %d bytes", decoder.name, size)
            raise PayloadError(Reason.DECODER_FAILED, f"{decoder.name}: {error!r}") from error
        if level is None:
            return decoded
        return decoded._replace(device=message.topic.split("/")[level])

    def _judged(
        self, message: Message, decoded: Decoded, device: Device
    ) -> tuple[list[Observation], list[Rejection]]:
        observations: list[Observation] = []
        rejections: list[Rejection] = []
        for reading in decoded.readings:
            for target in device.targets.get(reading.field, ()):
                result = self._observation(message.received_time, reading, target)
                if isinstance(result, Rejection):
                    rejections.append(result)
                else:
                    observations.append(result)
        return observations, rejections

    def _observation(self, received: Instant, reading: Reading, target: Target) -> Observation | Rejection:
        try:
            convert = self._devices.conversion(target, reading.unit)
        except UnitError as error:
            return Rejection(Reason.UNKNOWN_UNIT, f"{target.property.name}: {error}")
        value = convert.offset + convert.scale * reading.value
        time, flags = reading.time, reading.flags
        if time is None:
            time, flags = received, flags | QualityFlag.TIME_OF_RECEPTION
        rejection = judge(target.property, value, time, received, self._options.plausibility)
        if rejection is not None:
            return rejection
        return Observation(target.datastream.id, time, received, round(value, _DECIMALS), int(flags))

    def _refused(self, message: Message, feed: str, decoder: Decoder | None, rejection: Rejection) -> Taken:
        return Taken(0, [], self._quarantined(message, feed, decoder, [rejection]))

    def _quarantined(
        self, message: Message, feed: str, decoder: Decoder | None, rejections: list[Rejection]
    ) -> QuarantinedMessage:
        details = [one.detail for one in rejections[:DETAIL_REJECTIONS_MAX]]
        if len(rejections) > DETAIL_REJECTIONS_MAX:
            details.append(f"and {len(rejections) - DETAIL_REJECTIONS_MAX} more")
        digest = hashlib.sha256(message.payload).hexdigest()
        payload = message.payload[: self._options.quarantine_bytes_max]
        if decoder is not None and decoder.redact is not None:
            payload = decoder.redact(payload, self._pseudonymise)
        if message.received_time != self._last_received:
            self._last_received, self._number = message.received_time, 0
        self._number += 1
        return QuarantinedMessage(
            version=VERSION,
            id=quarantine_id(message.topic, digest, message.received_time, self._number),
            feed=feed,
            topic=message.topic,
            received_time=message.received_time,
            reason=rejections[0].reason,
            detail="; ".join(details)[:DETAIL_CHARACTERS_MAX],
            payload=payload,
            payload_bytes=len(message.payload),
            payload_sha256=digest,
        )
