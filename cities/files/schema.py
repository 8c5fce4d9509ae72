"""The layout of a city folder's files, item by item, as pydantic models.

Each item is validated on its own, so that a fault in one does not hide the faults between the others.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from cities.files.faults import describe_value
from cities.files.values import (
    ONE_LINE,
    CityId,
    ContactUrl,
    DecoderName,
    EntityType,
    Id,
    Interval,
    LocalDate,
    Note,
    Number,
    Positive,
    PropertyName,
    RetentionTime,
    Sentences,
    Share,
    Text,
    Time,
    Timezone,
    TopicFilter,
    Unit,
)
from twin.model.maintenance_window import COVERED_MAX, EXDATES_MAX, RULE_LENGTH_MAX
from twin.model.observed_property import Aggregation, Combination, RollUp, Theme
from twin.quality.quality_check import CONTEXT_MAX
from twin.quality.spike import SPIKE_CONTEXT_MIN

FEEDS = (
    "native",
    "senml",
    "ttn",
    "chirpstack",
    "dsmr",
    "homewizard",
    "airrohr",
)
"""The built-in feeds, which every city has."""

SENSOR_KINDS_MAX = 200
"""Kinds of devices in the register of a city."""

# Decoders and feeds whose single readings reveal the life of a household.
PERSONAL_FEEDS = frozenset({"dsmr", "homewizard"})


class Item(BaseModel):
    """The base of all items of a city folder: no unknown keys, no conversion of types."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, arbitrary_types_allowed=True
    )

    @classmethod
    def of(cls, always: Collection[str] = (), /, **fields: Any) -> Self:
        """Return an item to be written, without validation.

        `document` will have the fields that differ from their default, and those in `always`.
        """
        defaults = {
            name: field.get_default(call_default_factory=True) for name, field in cls.model_fields.items()
        }
        written = {name: value for name, value in fields.items() if name in always or value != defaults[name]}
        return cast(Self, cls.model_construct(**written))

    def document(self) -> dict[str, Any]:
        """Return the item as a file has it, as mappings, lists, texts and numbers."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class SentencesItem(Item):
    """A text of the sensor register in both languages."""

    en: Sentences
    nl: Sentences


class RegisterItem(Item):
    """What the register says of all sensors, of a kind, or of one sensor."""

    device: SentencesItem | None = None
    owner: Text | None = None
    contact: ContactUrl | None = None
    purpose: SentencesItem | None = None
    observes: SentencesItem | None = None
    observes_not: SentencesItem | None = None
    legal_basis: SentencesItem | None = None
    personal_data: bool | None = None


class SensorRegisterItem(RegisterItem):
    """`sensorRegister` of the city: what holds for all sensors, and for each kind of device."""

    kinds: Annotated[dict[Id, RegisterItem], Field(max_length=SENSOR_KINDS_MAX)] = Field(default_factory=dict)


class SensorRegisterEntryItem(RegisterItem):
    """`register` of a sensor; what it lacks is that of its kind, and then of the city."""

    kind: Id | None = None
    since: LocalDate | None = None
    until: LocalDate | None = None


class CityItem(Item):
    """`city` in city.yaml."""

    id: CityId
    name: Text
    timezone: Timezone
    sensor_register: SensorRegisterItem | None = None


class RelationItem(Item):
    """One of an entity's `relations`."""

    type: Literal["locatedIn", "feeds", "drainsTo", "adjacentTo"]
    target: Id


class EntityItem(Item):
    """One of `entities` in entities.yaml; `cities.model.geometry` checks the geometry."""

    id: Id
    type: EntityType
    name: Text
    parent: Id | None = None
    geometry: Any = None
    attributes: dict[str, Any] = Field(default_factory=dict)
    relations: list[RelationItem] = Field(default_factory=list)


class ValidWhenItem(Item):
    """`validWhen` of a sensor's `observes` or of a property's `quality`."""

    field: Text
    above: Number | None = None
    below: Number | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    one_of: list[Number] = Field(default_factory=list)
    required: bool = False


class ObserveItem(Item):
    """One of a sensor's `observes`."""

    property: PropertyName
    field: Text
    unit: Unit
    scale: Number | None = None
    offset: Number = 0.0
    interval: Interval | None = None
    valid_when: ValidWhenItem | None = None


class SensorItem(Item):
    """One of `sensors` in sensors.yaml."""

    id: Id
    feed: Id
    device: Text | None = None
    entity: Id
    interval: Interval
    personal: bool | None = None
    gateway: Id | None = None
    power: Id | None = None
    register_: Annotated[SensorRegisterEntryItem | None, Field(alias="register")] = None
    observes: Annotated[list[ObserveItem], Field(min_length=1)]


class SpikeItem(Item):
    """`spike` of a property's `quality`."""

    window: Annotated[int, Field(ge=SPIKE_CONTEXT_MIN, le=CONTEXT_MAX)] = 13
    threshold: Positive = 6.0
    deviation_min: Positive


class IsolatedItem(Item):
    """`isolated` of a property's `quality`."""

    deviation_min: Positive
    share: Annotated[Number, Field(gt=0, le=1)] = 0.05


class NullValuesItem(Item):
    """`nullValues` of a property's `quality`."""

    values: Annotated[list[Number], Field(min_length=1)] = Field(default_factory=lambda: [0.0])
    deviation_min: Positive | None = None
    duration_min: Interval | None = None
    count: Annotated[int, Field(ge=2)] = 8


class StuckItem(Item):
    """`stuck` of a property's `quality`."""

    count: Annotated[int, Field(ge=2)]
    duration_min: Interval
    except_values: list[Number] = Field(default_factory=list)
    active_duration_min: Interval | None = None


class QualityItem(Item):
    """`quality` of a property: a missing rule stays as it is, a rule that is null is off."""

    minimum: Number | None = None
    maximum: Number | None = None
    rate_max: Positive | None = None
    spike: SpikeItem | None = None
    isolated: IsolatedItem | None = None
    null_values: NullValuesItem | None = None
    stuck: StuckItem | None = None
    late_after: Interval = 0
    skew_after: Interval = 0
    disagreement: Positive | None = None
    valid_when: ValidWhenItem | None = None


class RetentionItem(Item):
    """`retention` of a property: a missing tier stays as it is."""

    raw: RetentionTime = 0
    minute: RetentionTime = 0
    hour: RetentionTime = 0


class PropertyItem(Item):
    """One of `properties` in properties.yaml: a property of the city, or changes to a built-in one.

    `cities.model.properties` checks which keys each of the two may have.
    """

    name: PropertyName
    unit: Unit | None = None
    theme: Theme | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    combination: Combination = "mean"
    aggregation: Aggregation = "mean"
    quality: QualityItem | None = None
    retention: RetentionItem | None = None
    roll_up: RollUp = "none"
    wraps_at: Positive | None = None
    coverage_min: Share | None = None
    age_max: RetentionTime | None = None


class CalibrationItem(Item):
    """One of `calibrations` in calibrations.yaml."""

    sensor: Id
    property: PropertyName
    start: Annotated[Time, Field(alias="from")]
    until: Time | None = None
    gain: Number = 1.0
    offset: Number = 0.0
    note: Note = ""


class MaintenanceItem(Item):
    """One of `maintenance` in maintenance.yaml."""

    sensor: Id
    start: Annotated[Time, Field(alias="from")]
    until: Time | None = None
    note: Note = ""


class RecurrenceItem(Item):
    """`recurrence` of a maintenance window: an iCalendar rule (RFC 5545) in the time zone of the city."""

    rule: Annotated[str, Field(min_length=1, max_length=RULE_LENGTH_MAX), ONE_LINE]
    exdates: Annotated[list[LocalDate], Field(max_length=EXDATES_MAX)] = Field(default_factory=list)


_Covered = Annotated[list[Id], Field(min_length=1, max_length=COVERED_MAX)]


class MaintenanceWindowItem(Item):
    """One of `windows` in maintenance.yaml: what it covers, and when."""

    id: Id
    title: Text
    note: Note = ""
    sensors: _Covered | None = None
    entities: _Covered | None = None
    areas: _Covered | None = None
    properties: Annotated[list[PropertyName], Field(min_length=1, max_length=COVERED_MAX)] | None = None
    start: Time
    end: Time | None = None
    duration: Interval | None = None
    recurrence: RecurrenceItem | None = None


class FeedItem(Item):
    """One of `feeds` in feeds.yaml."""

    id: Id
    filter: TopicFilter
    decoder: DecoderName
    device_level: Annotated[int, Field(ge=0)] | None = None


def explain_error(kind: str, value: object, context: dict[str, Any]) -> str:
    """Return the meaning of a pydantic error for the author of the file."""
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
        case "too_long":
            expected = f"expected at most {context['max_length']}"
        case "greater_than_equal":
            expected = f"expected at least {context['ge']}"
        case "greater_than":
            expected = f"expected more than {context['gt']:g}"
        case "less_than_equal":
            expected = f"expected at most {context['le']}"
        case _:
            expected = f"expected {_EXPECTED.get(kind, 'something else')}"
    return f"found {describe_value(value)}, {expected}"


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
