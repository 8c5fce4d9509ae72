"""The layout of a city folder's files, item by item, as pydantic models.

Each item is validated on its own, so that a fault in one does not hide the faults between the others.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator
from pydantic.alias_generators import to_camel

from cities.duration import parse_duration
from cities.fault import found
from twin.instant import DAY, SECOND, Duration
from twin.observed_property import Aggregation, Combination, Theme

FEEDS = (
    "native",
    "senml",
    "ttn",
    "chirpstack",
    "dsmr",
    "homewizard",
    "airrohr",
    "sparkplug",
    "sensorthings",
)
"""The feeds that every city has."""

# A decoder's or feed's single readings that tell of a household.
PERSONAL_FEEDS = frozenset({"dsmr", "homewizard"})

# Nothing reports faster than a vibration sensor's summary; a value that is expected less than yearly is none.
INTERVAL_MIN: Duration = SECOND // 100
INTERVAL_MAX: Duration = 366 * DAY

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_CITY_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PROPERTY_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ENTITY_TYPE = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_DECODER_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def _matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


def _known_timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("expected an IANA time zone such as Europe/Amsterdam")
    return name


def _interval(value: object) -> Duration:
    if not isinstance(value, str):
        raise ValueError("expected an ISO 8601 duration such as PT10M")
    duration = parse_duration(value)
    if not INTERVAL_MIN <= duration <= INTERVAL_MAX:
        raise ValueError("expected PT0.01S to P366D")
    return duration


def _topic_filter(text: str) -> str:
    levels = text.split("/")
    if "#" in levels[:-1] or any(len(level) > 1 and set(level) & {"+", "#"} for level in levels):
        raise ValueError("expected an MQTT topic filter: + is a whole level, # the last one")
    return text


Text = Annotated[str, Field(min_length=1, max_length=200)]
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
Interval = Annotated[Duration, PlainValidator(_interval)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Item(BaseModel):
    """What all items of a city folder share: no unknown keys, no guessing of types."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, arbitrary_types_allowed=True
    )


class CityItem(Item):
    """`city` in city.yaml."""

    id: CityId
    name: Text
    timezone: Timezone


class RelationItem(Item):
    """One of an entity's `relations`."""

    type: Literal["locatedIn", "feeds", "drainsTo", "adjacentTo"]
    target: Id


class EntityItem(Item):
    """One of `entities` in entities.yaml; the geometry is checked by `cities.geometry`."""

    id: Id
    type: EntityType
    name: Text
    parent: Id | None = None
    geometry: Any = None
    attributes: dict[str, Any] = Field(default_factory=dict)
    relations: list[RelationItem] = Field(default_factory=list)


class ObserveItem(Item):
    """One of a sensor's `observes`."""

    property: PropertyName
    field: Text
    unit: Annotated[str, Field(min_length=1, max_length=32)]
    scale: Number | None = None
    offset: Number = 0.0
    interval: Interval | None = None


class SensorItem(Item):
    """One of `sensors` in sensors.yaml."""

    id: Id
    feed: Id
    device: Text | None = None
    entity: Id
    interval: Interval
    personal: bool | None = None
    observes: Annotated[list[ObserveItem], Field(min_length=1)]


class PropertyItem(Item):
    """One of `properties` in properties.yaml."""

    name: PropertyName
    unit: Annotated[str, Field(min_length=1, max_length=32)]
    theme: Theme
    minimum: Number
    maximum: Number
    combination: Combination = "mean"
    aggregation: Aggregation = "mean"


class FeedItem(Item):
    """One of `feeds` in feeds.yaml."""

    id: Id
    filter: TopicFilter
    decoder: DecoderName
    device_level: Annotated[int, Field(ge=0)] | None = None


def explain(kind: str, value: object, context: dict[str, Any]) -> str:
    """Return what a pydantic error of a known kind means to the person who wrote the file."""
    match kind:
        case "value_error":
            expected = str(context["error"])
        case "string_type":
            expected = f"expected text{'; put it in quotes' if isinstance(value, int | float) else ''}"
        case "literal_error":
            expected = f"expected one of {context['expected']}"
        case "string_too_short" | "too_short":
            expected = f"expected at least {context['min_length']}"
        case "string_too_long":
            expected = f"expected at most {context['max_length']} characters"
        case "greater_than_equal":
            expected = f"expected at least {context['ge']}"
        case _:
            expected = f"expected {_EXPECTED.get(kind, 'something else')}"
    return f"found {found(value)}, {expected}"


_EXPECTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}
