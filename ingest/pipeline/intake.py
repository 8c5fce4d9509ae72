"""The intake: turns received MQTT messages into observations, quarantined messages and probes.

Each message is routed by its topic, decoded, mapped to datastreams, converted into canonical units and
checked for plausibility.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import msgspec

from ingest.decoders import native
from ingest.decoding import Decoded, Decoder, DecodingContext, PayloadError
from ingest.mqtt.message import MqttMessage
from ingest.pipeline.mapping import DeviceMap, MappedDevice
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.routes import TopicRoutes
from ingest.settings import IngestSettings
from twin.errors import UnitError
from twin.instant import DAY, SECOND, Instant
from twin.model.observation import Observation
from twin.quality.plausibility import PlausibilityBounds, QuarantineReason, Rejection, check_plausibility
from twin.quality.quality_flags import QualityFlag
from twin.quality.valid_when import ValidWhen
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import MessageHeader, QuarantinedMessage, quarantine_id
from twin.wire.probe import PROBE_PROPERTY, PROBE_SENSOR, Probe

log = logging.getLogger(__name__)

# People read the detail; the payload stands beside it.
DETAIL_REJECTIONS_MAX = 5
DETAIL_CHARACTERS_MAX = 1_000

# All observations of a message stay in one record. No decoder returns more than some thousand values of a
# message; ten thousand take 400 kB on the log and 100 ms in the stream processor.
MESSAGE_OBSERVATIONS_MAX = 10_000

# EUIs, chip ids and sensor ids have up to 64 characters; an unknown sender may put any text there.
DEVICE_CHARACTERS_MAX = 256

# MQTT allows 65,535 bytes; the topic is written beside every value.
TOPIC_CHARACTERS_MAX = 512

# A city has some ten thousand devices with one or two topics each.
TOPICS_CACHED_MAX = 65_536
# Longer topics are not cached: invented ones must not fill four gigabytes.
TOPIC_CACHED_CHARACTERS_MAX = 256

REPLAYED_SEQUENCE = -1
"""The sequence of a replayed message: it was received and counted before."""

_TIME_OF_RECEPTION = int(QualityFlag.TIME_OF_RECEPTION)
_SOURCE_DOUBTFUL = int(QualityFlag.SOURCE_DOUBTFUL)

# Nine decimals of a canonical unit are a nanometre of water or a nanowatt-hour.
_DECIMALS = 9

FieldValues: TypeAlias = dict[tuple[str, Instant | None], float]
"""The numbers of a message, by field and phenomenon time."""

_PROBE_LEVEL = f"/{PROBE_SENSOR}/"


class ProcessedMessage(msgspec.Struct, frozen=True, gc=False):
    """The observations of one message, and its quarantined copy where something in it was rejected."""

    partition: int  #: of the entity that the observations belong to
    observations: list[Observation]
    quarantined: QuarantinedMessage | None
    header: MessageHeader | None = None  #: None when there are no observations
    payload: bytes = b""  #: redacted; empty where payloads are not kept


class ProcessedBatch(NamedTuple):
    """The results of a batch of messages; `received` and `processed` have the same order and length."""

    received: list[MqttMessage]  #: without probes
    processed: list[ProcessedMessage]
    probes: list[Probe]


class _TopicContext(msgspec.Struct):
    """The route of a topic, and the device that last sent on it."""

    feed: str
    decoder: Decoder
    feeds: tuple[str, ...]  #: feeds of sensors.yaml that the device may belong to
    topic_device: str | None  #: device name in the topic; None: the payload names the device
    sender: str  #: as far as the topic tells: for payloads that cannot be read; empty: it does not
    carries_probes: bool
    device_name: str = ""
    device: MappedDevice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """Bounds of the intake."""

    payload_bytes_max: int
    quarantine_bytes_max: int
    plausibility: PlausibilityBounds
    keep_payloads: bool = True  #: whether the payloads of usable messages are written to the log
    topics_cached_max: int = TOPICS_CACHED_MAX

    @classmethod
    def from_settings(cls, settings: IngestSettings) -> IntakeOptions:
        """Return the bounds that the settings of ingest state."""
        return cls(
            payload_bytes_max=settings.payload_bytes_max,
            quarantine_bytes_max=settings.quarantine_bytes_max,
            keep_payloads=settings.keep_payloads,
            plausibility=PlausibilityBounds(
                future_max=settings.future_max_s * SECOND, past_max=settings.past_max_days * DAY
            ),
        )


class Intake:
    """Processes messages by one version of the city model; a new version needs a new intake.

    `session` identifies the run of ingest that numbers the messages.
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

    def process_batch(self, messages: Iterable[MqttMessage], first_sequence: int) -> ProcessedBatch:
        """Process messages in order; number all but probes, from `first_sequence` on. Never raises.

        A probe shows that the pipeline works: it is not stored, not counted, and has no number.
        """
        batch = ProcessedBatch([], [], [])
        for message in messages:
            context = self._context_of(message.topic)
            if context is not None and context.carries_probes:
                probe = _read_probe(message, self._timezone)
                if probe is not None:
                    batch.probes.append(probe)
                    continue
            sequence = first_sequence + len(batch.processed)
            batch.received.append(message)
            batch.processed.append(self._process(message, sequence, context))
        return batch

    def process(self, message: MqttMessage, sequence: int = REPLAYED_SEQUENCE) -> ProcessedMessage:
        """Process one message that is no probe. Never raises: an unusable message is quarantined."""
        return self._process(message, sequence, self._context_of(message.topic))

    def _process(
        self, message: MqttMessage, sequence: int, context: _TopicContext | None
    ) -> ProcessedMessage:
        if context is None:
            rejection = Rejection(
                QuarantineReason.UNKNOWN_TOPIC, f"no feed of the city has a filter for {message.topic!r}"
            )
            return self._reject(message, sequence, None, "", rejection)
        name = context.topic_device
        try:
            decoded = self._decode(message, context.decoder)
            if message.retained:
                self._require_own_time(message, context.decoder, decoded)
        except PayloadError as error:
            reason, detail = error.reason, error.detail
            if message.retained and reason is not QuarantineReason.RETAINED:
                # A replay must still know that it was retained.
                reason, detail = (
                    QuarantineReason.RETAINED,
                    f"the broker kept it, and it is {reason}: {detail}",
                )
            return self._reject(message, sequence, context, context.sender, Rejection(reason, detail))
        if name is None:
            name = decoded.device
        device = context.device if name == context.device_name else self._find_device(context, name)
        if device is None:
            rejection = Rejection(
                QuarantineReason.UNKNOWN_SENSOR,
                f"no sensor of feed {' or '.join(context.feeds)} has device {name!r}; add it to sensors.yaml",
            )
            return self._reject(message, sequence, context, name, rejection)
        observations, rejections = self._convert_and_check(message, decoded, device)
        if not observations:
            rejections = rejections or [_no_mapped_field(decoded, device)]
            return self._reject(message, sequence, context, name, *rejections)
        if len(observations) > MESSAGE_OBSERVATIONS_MAX:
            rejection = Rejection(
                QuarantineReason.TOO_LARGE,
                f"the message holds {len(observations)} observations, at most {MESSAGE_OBSERVATIONS_MAX} are "
                "accepted; send them in several messages",
            )
            return self._reject(message, sequence, context, name, rejection)
        digest = hashlib.sha256(message.payload)
        header = _header(
            message, sequence, context, name, observations=len(observations), digest=digest.digest()
        )
        quarantined = None
        if rejections:
            quarantined = self._quarantine(
                message,
                sequence,
                context,
                header.device,
                rejections,
                digest=digest.hexdigest(),
                observations=len(observations),
            )
        payload = self.redact(message.payload, context.decoder) if self._options.keep_payloads else b""
        return ProcessedMessage(device.partition, observations, quarantined, header, payload)

    def _context_of(self, topic: str) -> _TopicContext | None:
        """Return the context of a topic; None when no filter matches it."""
        return self._topic_contexts.get(topic) or self._new_context(topic)

    def _new_context(self, topic: str) -> _TopicContext | None:
        route = self._routes.route(topic)
        if route is None:
            return None
        feed, decoder, level, sender_level = route
        levels = topic.split("/")
        context = _TopicContext(
            feed,
            decoder,
            feeds=decoder.feeds if feed in decoder.feeds else (feed,),
            topic_device=None if level is None else levels[level],
            # `a/#` includes `a` itself.
            sender="" if sender_level is None or sender_level >= len(levels) else levels[sender_level],
            carries_probes=_PROBE_LEVEL in topic and native.device_of(topic) == PROBE_SENSOR,
        )
        if len(topic) <= TOPIC_CACHED_CHARACTERS_MAX:
            if len(self._topic_contexts) >= self._options.topics_cached_max:
                self._topic_contexts.clear()
            self._topic_contexts[topic] = context
        return context

    def _find_device(self, context: _TopicContext, name: str) -> MappedDevice | None:
        """Look a device up, and remember it as the last one on this topic."""
        device = self._devices.find(context.feeds, name)
        if len(name) <= DEVICE_CHARACTERS_MAX:
            context.device_name, context.device = name, device
        return device

    def redact(self, payload: bytes, decoder: Decoder | None) -> bytes:
        """Return a payload without identifying data, as it may be kept."""
        if decoder is None or decoder.redact is None:
            return payload
        return decoder.redact(payload, self._pseudonymise)

    def redacts_topic(self, topic: str) -> bool:
        """Return whether payloads on this topic are redacted before they are kept."""
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
            # A fault in a decoder must not stop the feed: the message can be replayed after the repair.
            log.exception(
                "decoder %s failed on a message of %d bytes",
                decoder.name,
                size,
                extra={"event": "ingest.decoder_failed", "decoder": decoder.name},
            )
            raise PayloadError(QuarantineReason.DECODER_FAILED, f"{decoder.name}: {error!r}") from error

    def _require_own_time(self, message: MqttMessage, decoder: Decoder, decoded: Decoded) -> None:
        """Raise PayloadError for a retained message whose times depend on when it was received."""
        later = self._decode(
            msgspec.structs.replace(message, received_time=message.received_time + SECOND), decoder
        )
        times = [one.time for one in decoded.readings]
        if None in times or times != [one.time for one in later.readings]:
            raise PayloadError(
                QuarantineReason.RETAINED,
                "the broker kept this message since before ingest subscribed, and it has no time of its own: "
                "when it was measured is unknown. Let the device send a time, or publish without retain",
            )

    def _convert_and_check(
        self, message: MqttMessage, decoded: Decoded, device: MappedDevice
    ) -> tuple[list[Observation], list[Rejection]]:
        received, bounds = message.received_time, self._options.plausibility
        earliest, latest = received - bounds.past_max, received + bounds.future_max
        rank = message.rank
        observations: list[Observation] = []
        rejections: list[Rejection] = []
        values: FieldValues = {}
        if device.condition_fields:
            values = {
                (one.field, one.time): one.value
                for one in decoded.readings
                if one.field in device.condition_fields
            }
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
                if target.valid_when and not _is_valid(target.valid_when, reading.time, values):
                    flags |= _SOURCE_DOUBTFUL
                oldest = earliest if target.age_max is None else received - target.age_max
                rejection = None
                if not (target.minimum <= value <= target.maximum and oldest <= time <= latest):
                    rejection = check_plausibility(
                        target.property, value, time, received, bounds, any_age=message.any_age
                    )
                if rejection is not None:
                    rejections.append(rejection)
                else:
                    value = round(value, _DECIMALS)
                    observations.append(Observation(target.id, time, received, value, flags, rank))
        if len(observations) > 1:
            _rank_repetitions(observations)
        return observations, rejections

    def _reject(
        self,
        message: MqttMessage,
        sequence: int,
        context: _TopicContext | None,
        device: str,
        *rejections: Rejection,
    ) -> ProcessedMessage:
        """Return the result of a message without any usable observation."""
        digest = hashlib.sha256(message.payload).hexdigest()
        device = device[:DEVICE_CHARACTERS_MAX]
        quarantined = self._quarantine(
            message, sequence, context, device, rejections, digest=digest, observations=0
        )
        return ProcessedMessage(0, [], quarantined)

    def _quarantine(
        self,
        message: MqttMessage,
        sequence: int,
        context: _TopicContext | None,
        device: str,
        rejections: Sequence[Rejection],
        *,
        digest: str,
        observations: int,
    ) -> QuarantinedMessage:
        decoder = context.decoder if context is not None else None
        details = [rejection.detail for rejection in rejections[:DETAIL_REJECTIONS_MAX]]
        if len(rejections) > DETAIL_REJECTIONS_MAX:
            details.append(f"and {len(rejections) - DETAIL_REJECTIONS_MAX} more")
        bytes_max = self._options.quarantine_bytes_max
        return QuarantinedMessage(
            version=LAYOUT_VERSION,
            id=quarantine_id(message.topic, digest, message.received_time, sequence),
            feed=context.feed if context is not None else "",
            topic=message.topic,
            received_time=message.received_time,
            reason=rejections[0].reason,
            detail="; ".join(details)[:DETAIL_CHARACTERS_MAX],
            # A pseudonym may be longer than the identifier that it replaces.
            payload=self.redact(message.payload[:bytes_max], decoder)[:bytes_max],
            payload_bytes=len(message.payload),
            payload_sha256=digest,
            session=self._session,
            rank=message.rank,
            sequence=sequence,
            observations=observations,
            device=device,
            decoder=decoder.name if decoder is not None else "",
            decoder_version=decoder.version if decoder is not None else 0,
        )


def _rank_repetitions(observations: list[Observation]) -> None:
    """Let the last of several observations with one key be the one that became known last."""
    if len({one[:2] for one in observations}) == len(observations):
        return
    repetitions: Counter[tuple[int, Instant]] = Counter()
    for number, observation in enumerate(observations):
        key = observation[0], observation[1]
        if repetition := repetitions[key]:
            observations[number] = observation._replace(rank=observation.rank + repetition)
        repetitions[key] += 1


def _header(
    message: MqttMessage,
    sequence: int,
    context: _TopicContext,
    device: str,
    *,
    observations: int,
    digest: bytes,
) -> MessageHeader:
    decoder = context.decoder
    return MessageHeader(
        sequence,
        message.received_time,
        message.topic,
        context.feed,
        device[:DEVICE_CHARACTERS_MAX],
        decoder.name,
        decoder.version,
        observations,
        len(message.payload),
        digest,
        message.rank,
    )


def _is_valid(conditions: Sequence[ValidWhen], time: Instant | None, values: FieldValues) -> bool:
    """Return whether the other fields of a message declare a value of this time valid."""
    return all(condition.holds(values.get((condition.field, time))) for condition in conditions)


def _read_probe(message: MqttMessage, timezone: str) -> Probe | None:
    """Return the probe in a message; None when it has none, or cannot be read."""
    try:
        decoded = native.decode(
            message.topic, message.payload, DecodingContext(message.received_time, timezone)
        )
    except PayloadError:
        return None
    times = (reading.time for reading in decoded.readings if reading.field == PROBE_PROPERTY)
    time = next(times, None)
    return Probe(time) if time is not None else None


def _no_mapped_field(decoded: Decoded, device: MappedDevice) -> Rejection:
    fields = ", ".join(sorted({reading.field for reading in decoded.readings})[:20]) or "nothing"
    return Rejection(
        QuarantineReason.NO_OBSERVATION,
        f"sensor {device.sensor.id} observes {', '.join(sorted(device.targets)) or 'nothing'}, "
        f"the message holds {fields}",
    )
