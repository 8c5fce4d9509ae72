"""The intake: one MQTT message in; out come its observations with their header, and at most one quarantined
message."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from ingest.decoders import TopicRoutes
from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError
from ingest.mqtt.message import MqttMessage
from ingest.pipeline.mapping import DeviceMap, MappedDevice
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.routes import TOPIC_CACHED_CHARACTERS_MAX, TOPICS_CACHED_MAX
from twin.errors import UnitError
from twin.model.observation import Observation
from twin.quality.plausibility import PlausibilityBounds, QuarantineReason, Rejection, check_plausibility
from twin.quality.quality_flags import QualityFlag
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import MessageHeader, QuarantinedMessage, quarantine_id

log = logging.getLogger(__name__)

# A detail is read by a person; the payload beside it has the rest.
DETAIL_REJECTIONS_MAX = 5
DETAIL_CHARACTERS_MAX = 1_000

# A message's observations stay in one record. No decoder reads more than some thousand values from a message;
# ten thousand are 400 kB on the log and 100 ms of the stream processor.
MESSAGE_OBSERVATIONS_MAX = 10_000

# EUIs, chip ids and sensor ids have up to 64; what an unknown sender puts there has no bound of its own.
DEVICE_CHARACTERS_MAX = 256

# MQTT allows 65,535 bytes; topics are remembered, and written beside every value.
TOPIC_CHARACTERS_MAX = 512

# The sequence of a message that is taken once more: it was received, and counted, before.
REPLAYED_SEQUENCE = -1

_TIME_OF_RECEPTION = int(QualityFlag.TIME_OF_RECEPTION)

# Canonical units need no more: a nanometre of water, a nanowatt-hour.
_DECIMALS = 9


class ProcessedMessage(msgspec.Struct, frozen=True, gc=False):
    """What became of one message."""

    partition: int  #: of the observations' entity
    observations: list[Observation]
    quarantined: QuarantinedMessage | None
    header: MessageHeader | None = None  #: None when there are no observations
    payload: bytes = b""  #: redacted; empty where payloads are not kept


class _TopicContext(msgspec.Struct):
    """What the topic of a message tells, and the device that last spoke on it."""

    feed: str
    decoder: Decoder
    feeds: tuple[str, ...]  #: of sensors.yaml that the device may belong to
    told: str | None  #: the device's name, where the topic tells it
    name: str = ""
    device: MappedDevice | None = None


class _Source(msgspec.Struct, frozen=True, gc=False):
    """What is known of where a message comes from."""

    message: MqttMessage
    sequence: int
    feed: str = ""
    decoder: Decoder | None = None
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """Bounds of the intake."""

    payload_bytes_max: int
    quarantine_bytes_max: int
    plausibility: PlausibilityBounds
    keep_payloads: bool = True  #: whether the payloads of usable messages go to the log


class Intake:
    """Decodes, maps, converts and judges; made anew with each version of the model.

    `session` names the run of ingest that numbers the messages.
    """

    def __init__(
        self,
        *,
        routes: TopicRoutes,
        devices: DeviceMap,
        timezone: str,
        options: IntakeOptions,
        pseudonymise: Pseudonymiser,
        session: str = "",
    ) -> None:
        self._routes = routes
        self._devices = devices
        self._topic_contexts: dict[str, _TopicContext] = {}
        self._timezone = timezone
        self._options = options
        self._pseudonymise: Callable[[str], str] = pseudonymise
        self._session = session

    def process(self, message: MqttMessage, sequence: int = REPLAYED_SEQUENCE) -> ProcessedMessage:
        """Return what a message holds. Never raises: what cannot be used is quarantined with its reason."""
        origin = self._topic_contexts.get(message.topic) or self._topic_context(message.topic)
        if origin is None:
            rejection = Rejection(
                QuarantineReason.UNKNOWN_TOPIC, f"no feed of the city listens to {message.topic!r}"
            )
            return self._rejected(_Source(message, sequence), rejection)
        feed, decoder, told = origin.feed, origin.decoder, origin.told
        try:
            decoded = self._decode(message, decoder)
        except PayloadError as error:
            source = _Source(message, sequence, feed, decoder, (told or "")[:DEVICE_CHARACTERS_MAX])
            return self._rejected(source, Rejection(error.reason, error.detail))
        name = decoded.device if told is None else told
        source = _Source(message, sequence, feed, decoder, name[:DEVICE_CHARACTERS_MAX])
        device = origin.device
        if name != origin.name:
            device = self._devices.find(origin.feeds, name)
            if len(name) <= DEVICE_CHARACTERS_MAX:
                origin.name, origin.device = name, device
        if device is None:
            rejection = Rejection(
                QuarantineReason.UNKNOWN_SENSOR,
                f"no sensor of feed {' or '.join(origin.feeds)} has device {name!r}; add it to sensors.yaml",
            )
            return self._rejected(source, rejection)
        return self._accepted(source, decoded, device)

    def _topic_context(self, topic: str) -> _TopicContext | None:
        route = self._routes.route(topic)
        if route is None:
            return None
        feed, decoder, level = route
        feeds = decoder.feeds if feed in decoder.feeds else (feed,)
        told = None if level is None else topic.split("/")[level]
        origin = _TopicContext(feed, decoder, feeds, told)
        if len(topic) <= TOPIC_CACHED_CHARACTERS_MAX:
            if len(self._topic_contexts) >= TOPICS_CACHED_MAX:
                self._topic_contexts.clear()
            self._topic_contexts[topic] = origin
        return origin

    def _accepted(self, source: _Source, decoded: Decoded, device: MappedDevice) -> ProcessedMessage:
        observations, rejections = self._convert_and_check(source.message, decoded, device)
        if not observations:
            return self._rejected(source, *(rejections or [_no_mapped_field(decoded, device)]))
        if len(observations) > MESSAGE_OBSERVATIONS_MAX:
            rejection = Rejection(
                QuarantineReason.TOO_LARGE,
                f"the message holds {len(observations)} observations, at most {MESSAGE_OBSERVATIONS_MAX} are "
                "taken from one; send them in several",
            )
            return self._rejected(source, rejection)
        digest = hashlib.sha256(source.message.payload)
        quarantined = None
        if rejections:
            quarantined = self._quarantine(source, rejections, digest.hexdigest(), len(observations))
        header = _header(source, len(observations), digest.digest())
        payload = b""
        if self._options.keep_payloads:
            payload = self.redact(source.message.payload, source.decoder)
        return ProcessedMessage(device.partition, observations, quarantined, header, payload)

    def redact(self, payload: bytes, decoder: Decoder | None) -> bytes:
        """Return a payload as it may be kept: without identifying data."""
        if decoder is None or decoder.redact is None:
            return payload
        return decoder.redact(payload, self._pseudonymise)

    def redacts_topic(self, topic: str) -> bool:
        """Return whether what is kept of a payload on this topic differs from what was received."""
        route = self._routes.route(topic)
        return route is not None and route.decoder.redact is not None

    def _decode(self, message: MqttMessage, decoder: Decoder) -> Decoded:
        size = len(message.payload)
        if size > self._options.payload_bytes_max:
            raise PayloadError(
                QuarantineReason.TOO_LARGE,
                f"the payload has {size} bytes, at most {self._options.payload_bytes_max} are decoded",
            )
        if len(message.topic) > TOPIC_CHARACTERS_MAX:
            raise PayloadError(
                QuarantineReason.TOO_LARGE,
                f"the topic has {len(message.topic)} characters, at most {TOPIC_CHARACTERS_MAX} are read",
            )
        try:
            context = DecodingContext(message.received_time, self._timezone)
            return decoder.decode(message.topic, message.payload, context)
        except PayloadError:
            raise
        except Exception as error:
            # A decoder raises nothing else; if one does, the message waits in quarantine for its repair.
            log.exception("decoder %s failed on a message of %d bytes", decoder.name, size)
            raise PayloadError(QuarantineReason.DECODER_FAILED, f"{decoder.name}: {error!r}") from error

    def _convert_and_check(
        self, message: MqttMessage, decoded: Decoded, device: MappedDevice
    ) -> tuple[list[Observation], list[Rejection]]:
        received, bounds = message.received_time, self._options.plausibility
        earliest, latest = received - bounds.past_max, received + bounds.future_max
        observations: list[Observation] = []
        rejections: list[Rejection] = []
        for reading in decoded.readings:
            for target in device.targets.get(reading.field, ()):
                scale, offset = target.conversion
                if reading.unit is not None:
                    try:
                        scale, offset = self._devices.conversion(target, reading.unit)
                    except UnitError as error:
                        rejections.append(
                            Rejection(QuarantineReason.UNKNOWN_UNIT, f"{target.property.name}: {error}")
                        )
                        continue
                value = offset + scale * reading.value
                time, flags = reading.time, reading.flags
                if time is None:
                    time, flags = received, flags | _TIME_OF_RECEPTION
                plausible = target.minimum <= value <= target.maximum and earliest <= time <= latest
                rejection = (
                    None if plausible else check_plausibility(target.property, value, time, received, bounds)
                )
                if rejection is not None:
                    rejections.append(rejection)
                else:
                    value = round(value, _DECIMALS)
                    observations.append(Observation(target.id, time, received, value, flags))
        return observations, rejections

    def _rejected(self, source: _Source, *rejections: Rejection) -> ProcessedMessage:
        digest = hashlib.sha256(source.message.payload).hexdigest()
        return ProcessedMessage(0, [], self._quarantine(source, rejections, digest, 0))

    def _quarantine(
        self, source: _Source, rejections: Sequence[Rejection], digest: str, observations: int
    ) -> QuarantinedMessage:
        message, decoder = source.message, source.decoder
        details = [one.detail for one in rejections[:DETAIL_REJECTIONS_MAX]]
        if len(rejections) > DETAIL_REJECTIONS_MAX:
            details.append(f"and {len(rejections) - DETAIL_REJECTIONS_MAX} more")
        bytes_max = self._options.quarantine_bytes_max
        return QuarantinedMessage(
            version=LAYOUT_VERSION,
            id=quarantine_id(message.topic, digest, message.received_time, source.sequence),
            feed=source.feed,
            topic=message.topic,
            received_time=message.received_time,
            reason=rejections[0].reason,
            detail="; ".join(details)[:DETAIL_CHARACTERS_MAX],
            # A pseudonym may be longer than what it stands for.
            payload=self.redact(message.payload[:bytes_max], decoder)[:bytes_max],
            payload_bytes=len(message.payload),
            payload_sha256=digest,
            session=self._session,
            sequence=source.sequence,
            observations=observations,
            device=source.device,
            decoder=decoder.name if decoder is not None else "",
            decoder_version=decoder.version if decoder is not None else 0,
        )


def _header(source: _Source, observations: int, digest: bytes) -> MessageHeader:
    message, feed, decoder, device = source.message, source.feed, source.decoder, source.device
    return MessageHeader(
        source.sequence,
        message.received_time,
        message.topic,
        feed,
        device,
        decoder.name if decoder is not None else "",
        decoder.version if decoder is not None else 0,
        observations,
        len(message.payload),
        digest,
    )


def _no_mapped_field(decoded: Decoded, device: MappedDevice) -> Rejection:
    fields = ", ".join(sorted({reading.field for reading in decoded.readings})[:20]) or "nothing"
    return Rejection(
        QuarantineReason.NO_OBSERVATION,
        f"sensor {device.sensor.id} observes {', '.join(sorted(device.targets)) or 'nothing'}, "
        f"the message holds {fields}",
    )
