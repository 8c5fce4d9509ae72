"""What a decoder is: the shape of what goes in, what comes out, and what it raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import msgspec

from twin.errors import TwinError
from twin.instant import Instant
from twin.quality.plausibility import QuarantineReason


class PayloadError(TwinError):
    """A message cannot be decoded; `reason` labels it, `detail` says what was found and expected."""

    def __init__(self, reason: QuarantineReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RegistrationError(TwinError):
    """Two decoders claim one name, feed or topic filter, or a feed names what does not exist."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value as the device sent it, before units, mapping and judgement.

    A struct, because hundreds of thousands pass per second: it is made several times as fast as a tuple.
    """

    field: str  #: name or dotted path
    value: float
    time: Instant | None = None  #: phenomenon time; None when the device sent none: then reception counts
    unit: str | None = None  #: UCUM, where the payload itself names a unit; None: as the city declares it
    flags: int = 0  #: `twin.quality.quality_flags.QualityFlag`


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """What one message holds: the device as the feed calls it, and its readings."""

    device: str
    readings: Sequence[Reading]


class DecodingContext(msgspec.Struct, frozen=True, gc=False):
    """What a decoder may need to know beside the message."""

    received_time: Instant
    timezone: str  #: IANA name of the city's zone, for formats that send local time


Pseudonymise: TypeAlias = Callable[[str], str]
"""Returns the pseudonym of an identifier: the same for the same one, and not to be turned back."""

Redact: TypeAlias = Callable[[bytes, Pseudonymise], bytes]
"""Returns a payload with its identifying data replaced. Never raises, whatever the bytes."""


class Decode(Protocol):
    """Decodes one message. Pure. Raises PayloadError when the message is not what the format says."""

    def __call__(self, topic: str, payload: bytes, context: DecodingContext) -> Decoded:
        """Return the device and its readings."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """A payload format, as it is registered: one module in `ingest.decoders` defines one as `DECODER`."""

    name: str
    version: int  #: rises when the same payload decodes to something else
    feeds: tuple[str, ...]  #: the `feed` of sensors.yaml that this decoder serves
    filters: tuple[str, ...]  #: MQTT topic filters that it subscribes to
    decode: Decode
    #: the topic of one device, with `{device}` (and `{city}`) in it; empty: others publish for devices
    device_topic: str = ""
    #: other names of a field that a city folder may use (an OBIS code, a vendor's name) → the reading's name
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: whether single readings of this feed are personal data
    personal: bool = False
    #: removes identifying data from a payload before it is kept in quarantine; None: nothing to remove
    redact: Redact | None = None
