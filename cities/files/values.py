"""Types of the values in a city folder: texts, names, durations, times and numbers, for pydantic."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from cities.duration import format_duration, parse_duration
from twin.instant import DAY, INSTANT_MAX, SECOND, Duration, Instant, format_instant, parse_instant
from twin.model.plain_text import check_lines, check_one_line

# No sensor reports faster than the summary of a vibration sensor, or is expected less than yearly.
INTERVAL_MIN: Duration = SECOND // 100
INTERVAL_MAX: Duration = 366 * DAY

# Retention drops chunks of a day; a century stands for ever.
RETENTION_MIN: Duration = DAY
RETENTION_MAX: Duration = 36_525 * DAY

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_CITY_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PROPERTY_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ENTITY_TYPE = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_URL = re.compile(r"[!-~]{1,500}")
_MAILBOX = re.compile(r"mailto:[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}")
# It goes into a header: small letters, digits, hyphens and dots, and perhaps a port.
_ORIGIN = re.compile(r"https://(\*\.)?[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,8}(:[1-9][0-9]{0,4})?")
_DECODER_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def _matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


def _known_timezone(name: str) -> str:
    if name not in timezones():
        raise ValueError("expected an IANA time zone such as Europe/Amsterdam")
    return name


def _interval(value: object) -> Duration:
    if not isinstance(value, str):
        raise ValueError("expected an ISO 8601 duration such as PT10M")
    duration = parse_duration(value)
    if not INTERVAL_MIN <= duration <= INTERVAL_MAX:
        raise ValueError("expected PT0.01S to P366D")
    return duration


def _retention(value: object) -> Duration:
    if not isinstance(value, str):
        raise ValueError("expected an ISO 8601 duration such as P90D")
    duration = parse_duration(value)
    if not RETENTION_MIN <= duration <= RETENTION_MAX:
        raise ValueError("expected P1D to P36525D")
    return duration


def _time(value: object) -> Instant:
    expected = "expected an ISO 8601 time with its zone such as 2026-03-01T08:00:00+01:00"
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        instant = parse_instant(value)
    except ValueError as error:
        raise ValueError(expected) from error
    if not 0 <= instant < INSTANT_MAX:
        raise ValueError("expected a time from 1970 to 9999")
    return instant


def _local_date(text: str) -> str:
    try:
        known = date.fromisoformat(text).isoformat() == text
    except ValueError:
        known = False
    if not known:
        raise ValueError("expected a date such as 2026-05-05")
    return text


def _https_url(text: str) -> str:
    """Return an address that a page may link to, without credentials."""
    try:
        parts = urlsplit(text)
        named = parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # a bracket or a port that is none
        named = False
    if not named or parts.scheme != "https" or not _URL.fullmatch(text):
        raise ValueError("expected an address such as https://www.example.org/privacy")
    return text


def _contact(text: str) -> str:
    if _MAILBOX.fullmatch(text):
        return text
    try:
        return _https_url(text)
    except ValueError:
        raise ValueError("expected mailto: with an address, or an address with https") from None


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError("expected an origin such as https://www.example.org, without a path")
    return text


def _topic_filter(text: str) -> str:
    levels = text.split("/")
    if "#" in levels[:-1] or any(len(level) > 1 and set(level) & {"+", "#"} for level in levels):
        raise ValueError("expected an MQTT topic filter: + is a whole level, # the last one")
    return text


def described_as(kind: Any) -> BeforeValidator:
    """Return a validator that changes nothing: the JSON Schema is that of `kind`, which is checked later."""
    return BeforeValidator(lambda value: value, json_schema_input_type=kind)


DurationText = Annotated[str, WithJsonSchema({"type": "string", "format": "duration"})]
TimeText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
SeverityWord = Literal["warning", "minor", "major", "critical"]
ONE_LINE = AfterValidator(check_one_line)
LINES = AfterValidator(check_lines)

Text = Annotated[str, Field(min_length=1, max_length=200), ONE_LINE]
Id = Annotated[
    str,
    _matching(
        _ID, "1 to 128 letters, digits, dots, hyphens or underscores, at both ends one of the first two"
    ),
]
CityId = Annotated[str, _matching(_CITY_ID, "1 to 63 small letters, digits or hyphens")]
PropertyName = Annotated[
    str, _matching(_PROPERTY_NAME, "small letters, digits and underscores, such as pm2_5")
]
EntityType = Annotated[str, _matching(_ENTITY_TYPE, "a word in CamelCase such as PumpingStation")]
DecoderName = Annotated[str, _matching(_DECODER_NAME, "small letters, digits, hyphens and underscores")]
Timezone = Annotated[str, AfterValidator(_known_timezone)]
TopicFilter = Annotated[Text, AfterValidator(_topic_filter)]
Interval = Annotated[
    Duration, PlainValidator(_interval, json_schema_input_type=DurationText), PlainSerializer(format_duration)
]
RetentionTime = Annotated[
    Duration,
    PlainValidator(_retention, json_schema_input_type=DurationText),
    PlainSerializer(format_duration),
]
Time = Annotated[
    Instant, PlainValidator(_time, json_schema_input_type=TimeText), PlainSerializer(format_instant)
]
LocalDate = Annotated[str, AfterValidator(_local_date), WithJsonSchema({"type": "string", "format": "date"})]
HttpsUrl = Annotated[str, AfterValidator(_https_url)]
ContactUrl = Annotated[str, AfterValidator(_contact)]
Origin = Annotated[str, AfterValidator(_origin)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(allow_inf_nan=False, gt=0)]
Share = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1)]
Unit = Annotated[str, Field(min_length=1, max_length=32), ONE_LINE]
Sentences = Annotated[str, Field(min_length=1, max_length=1000), LINES]
Markdown = Annotated[str, Field(min_length=1, max_length=20_000), LINES]
Note = Annotated[str, Field(max_length=1000), LINES]


@cache
def timezones() -> frozenset[str]:
    """Return the names of the IANA time zones; cached, since the library reads 600 files each time."""
    return frozenset(available_timezones())
