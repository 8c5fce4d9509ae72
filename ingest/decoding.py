"""The interface of decoders: their arguments, results and errors, and how they are registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import msgspec

from twin.errors import TwinError
from twin.instant import Instant
from twin.quality.plausibility import QuarantineReason


class PayloadError(TwinError):
    """A message cannot be decoded; `detail` says what was found and expected."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RegistrationError(TwinError):
    """Two decoders claim the same name, feed or topic filter, or a feed names an unknown decoder."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value as the device sent it, before mapping, unit conversion and checks.

    It is a struct because hundreds of thousands are created per second, several times as fast as tuples.
    """

    field: str  #: name or dotted path
    value: float
    time: Instant | None = (
        None  #: phenomenon time; None when the device sent none: then the time of reception counts
    )
    unit: str | None = None  #: UCUM, where the payload names a unit; None: the unit that the city declares
    flags: int = 0  #: `twin.quality.quality_flags.QualityFlag`; the intake marks readings without a time


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """The content of one message: the device, by its name in the feed, and its readings."""

    device: str
    readings: Sequence[Reading]


class DecodingContext(msgspec.Struct, frozen=True, gc=False):
    """What a decoder may need beside the message."""

    received_time: Instant
    timezone: str  #: IANA name of the city's time zone, for formats with local times


Pseudonymise: TypeAlias = Callable[[str], str]
"""Returns the pseudonym of an identifier: always the same, and not reversible without the key."""

Redact: TypeAlias = Callable[[bytes, Pseudonymise], bytes]
"""Returns a payload with its identifying data replaced. Never raises, whatever the bytes are."""


class Decode(Protocol):
    """Decodes one message. Pure. Raises PayloadError when the message violates the format."""

    def __call__(self, topic: str, payload: bytes, context: DecodingContext) -> Decoded:
        """Return the device and its readings."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """A registered payload format: a module in `ingest.decoders` defines it as `DECODER`."""

    name: str
    version: int  #: increases when the same payload decodes to something else
    feeds: tuple[str, ...]  #: values of `feed` in sensors.yaml that this decoder serves
    filters: tuple[str, ...]  #: MQTT topic filters to subscribe to
    decode: Decode
    #: topic of one device, with `{device}` (and `{city}`); empty: a network server publishes for devices
    device_topic: str = ""
    #: other field names that a city folder may use (an OBIS code, a vendor's name) → name of the reading
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: whether single readings of this feed are personal data
    personal: bool = False
    #: removes identifying data from a payload before it is kept; None: there is none
    redact: Redact | None = None
