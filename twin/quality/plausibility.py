"""Plausibility: which observations the system accepts, by their own value and times. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from twin.instant import DAY, MINUTE, SECOND, Duration, Instant, format_instant
from twin.model.observed_property import ObservedProperty


class QuarantineReason(StrEnum):
    """Why a message or an observation is quarantined. Labels the metric, the log line and the table row."""

    MALFORMED = "malformed"  #: violates its format: truncated JSON, binary garbage, invalid UTF-8
    CHECKSUM = "checksum"  #: the checksum in the payload does not match
    TOO_LARGE = "too-large"  #: more bytes than the feed allows for a message
    UNKNOWN_TOPIC = "unknown-topic"  #: no decoder is registered for the topic
    UNKNOWN_SENSOR = "unknown-sensor"  #: no sensor of the city has that feed and device
    NO_OBSERVATION = "no-observation"  #: decoded, but nothing in it is mapped to an observed property
    NOT_A_NUMBER = "not-a-number"  #: NaN, infinite, or no number at all
    OUT_OF_RANGE = "out-of-range"  #: physically impossible for the observed property
    UNKNOWN_UNIT = "unknown-unit"  #: the payload has a unit that does not convert into the canonical one
    TIME_TOO_OLD = "time-too-old"  #: measured longer ago than is plausible
    TIME_IN_FUTURE = "time-in-future"  #: measured after it was received
    TIME_INVALID = "time-invalid"  #: not a time
    DECODER_FAILED = "decoder-failed"  #: an error in the decoder, not in the message
    RETAINED = "retained"  #: kept by the broker, and without a time: when it was sent is unknown
    SESSION_TAKEN_OVER = "session-taken-over"  #: no message: another client used the client id of ingest
    SESSION_LOST = "session-lost"  #: no message: the broker deleted what waited for ingest


@dataclass(frozen=True, slots=True)
class Rejection:
    """The refusal of a message or an observation, with its reason."""

    reason: QuarantineReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlausibilityBounds:
    """How far the clock of a device may be wrong before its observations are refused."""

    # A clock that is synchronised over LoRaWAN or NTP is right within a minute; five minutes leave a margin.
    future_max: Duration = 5 * MINUTE
    # Loggers that were offline deliver weeks of data; a clock that was never set shows 1970 or 2000. A
    # property may have its own limit.
    past_max: Duration = 366 * DAY


def check_plausibility(
    property: ObservedProperty,
    value: float,
    phenomenon_time: Instant,
    received_time: Instant,
    bounds: PlausibilityBounds,
    *,
    any_age: bool = False,
) -> Rejection | None:
    """Return why a canonical value at this time is implausible; None when it is plausible.

    `any_age`: an operator vouches for the time, so that the limit of age does not apply.
    """
    if not math.isfinite(value):
        return Rejection(
            QuarantineReason.NOT_A_NUMBER, f"{property.name} is {value}, expected a finite number"
        )
    if not property.minimum <= value <= property.maximum:
        return Rejection(
            QuarantineReason.OUT_OF_RANGE,
            f"{property.name} is {value:g} {property.unit}, "
            f"expected {property.minimum:g} to {property.maximum:g}",
        )
    ahead = phenomenon_time - received_time
    if ahead > bounds.future_max:
        return Rejection(
            QuarantineReason.TIME_IN_FUTURE,
            f"{property.name} is dated {format_instant(phenomenon_time)}, {ahead // SECOND} s after it was "
            f"received; at most {bounds.future_max // SECOND} s are allowed",
        )
    age_max = bounds.past_max if property.age_max is None else property.age_max
    if -ahead > age_max and not any_age:
        return Rejection(
            QuarantineReason.TIME_TOO_OLD,
            f"{property.name} is dated {format_instant(phenomenon_time)}, {-ahead // DAY} days before it was "
            f"received; at most {age_max // DAY} days are allowed: raise ageMax of the property in "
            "properties.yaml and replay the message, or use `livetwin replay --correction --any-age`",
        )
    return None
