"""Query parameters: what each endpoint may be asked, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.entities.geometry import Extent, Position
from api.entities.selection import CHANGE_KINDS, EntityFilter
from api.live.events import EventName
from cities.duration import parse_duration
from cities.files.values import timezones
from storage.database import QueryError
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AggregateName, Fill
from twin.indicators.correlation import LAG_MAX, Method
from twin.instant import DAY, Duration, Instant, parse_instant
from twin.model.observed_property import Theme
from twin.state.freshness import Freshness

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
OBSERVATIONS_LIMIT_DEFAULT = 1_000
OBSERVATIONS_LIMIT_MAX = 10_000
NAMES_MAX = 500
RADIUS_DEFAULT_M = 1_000.0
RADIUS_MAX_M = 100_000.0
DURATION_MAX: Duration = 366 * DAY


def split_names(value: Any) -> Any:
    """Names may be repeated, and separated by commas."""
    texts = [value] if isinstance(value, str) else value
    return [name.strip() for text in texts for name in str(text).split(",") if name.strip()]


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    """Refuse a text that cannot be parsed, and keep the text."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def parse_box(text: str) -> Extent:
    """Return the box `west,south,east,north`; raise ValueError for anything else."""
    numbers = _numbers(text, 4, "west,south,east,north in degrees, such as 4.70,52.60,4.80,52.67")
    box = Extent(*numbers)
    if box.west > box.east or box.south > box.north:
        raise ValueError("expected west,south,east,north: west at most east, south at most north")
    return box


def parse_position(text: str) -> Position:
    """Return the position `longitude,latitude`; raise ValueError for anything else."""
    longitude, latitude = _numbers(text, 2, "longitude,latitude in degrees, such as 4.75,52.63")
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise ValueError("expected a longitude from -180 to 180 and a latitude from -90 to 90")
    return longitude, latitude


def _numbers(text: str, count: int, expected: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or any(abs(one) > 360 or one != one for one in numbers):  # noqa: PLR0124 - NaN
        raise ValueError(f"expected {expected}")
    return numbers


def parse_time(text: str) -> Instant:
    """Return the instant that a query parameter names; a `+` that arrived as a space is one."""
    try:
        return parse_instant(text.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise ValueError("expected an RFC 3339 time with its offset, such as 2026-11-23T12:00:00Z") from error


def _interval(text: str) -> BucketInterval:
    try:
        return BucketInterval.parse(text)
    except QueryError as error:
        raise ValueError(str(error)) from error


def _duration(text: str) -> Duration:
    found = parse_duration(text)
    if not 0 < found <= DURATION_MAX:
        raise ValueError("expected a duration of more than nothing and at most a year")
    return found


def _zone(name: str) -> ZoneInfo:
    if name not in timezones():
        raise ValueError("expected an IANA time zone, such as Europe/Amsterdam")
    return ZoneInfo(name)


Names = Annotated[list[str], BeforeValidator(split_names), Field(max_length=NAMES_MAX)]
BoxText = Annotated[str, _checked(parse_box)]
PositionText = Annotated[str, _checked(parse_position)]
TimeText = Annotated[str, _checked(parse_time)]
IntervalText = Annotated[str, _checked(_interval)]
DurationText = Annotated[str, _checked(_duration)]
ZoneText = Annotated[str, _checked(_zone)]
PageLimit = Annotated[int, Field(ge=1, le=LIMIT_MAX, description="Items a page.")]
PageCursor = Annotated[str | None, Field(description="From `_links.next`; opaque.")]


class Parameters(BaseModel):
    """Base of all query parameters; what is not declared is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class NoParameters(Parameters):
    """An endpoint without parameters."""


class PageParameters(Parameters):
    """Which page."""

    cursor: PageCursor = None
    limit: PageLimit = LIMIT_DEFAULT


class EntityParameters(PageParameters):
    """Which entities."""

    type: Names = Field(default=[], description="Entity types, any of them.")
    parent: Names = Field(default=[], description="Ids of areas; everything below them.")
    theme: Annotated[list[Theme], BeforeValidator(split_names)] = Field(
        default=[], description="Themes, any."
    )
    bbox: BoxText | None = Field(default=None, description="west,south,east,north; degrees, WGS 84.")
    near: PositionText | None = Field(default=None, description="longitude,latitude; with `radius`.")
    radius: float | None = Field(
        default=None, gt=0, le=RADIUS_MAX_M, description="Metres around `near`; 1000 by default."
    )
    q: str | None = Field(default=None, max_length=200, description="Part of the id or the name.")
    freshness: Annotated[list[Freshness], BeforeValidator(split_names)] = Field(
        default=[], description="Freshness of the entity, which is that of its freshest value."
    )

    def filter(self) -> EntityFilter:
        """Return the part that the model alone answers."""
        return EntityFilter(
            types=frozenset(self.type),
            parents=frozenset(self.parent),
            themes=frozenset(self.theme),
            bbox=parse_box(self.bbox) if self.bbox else None,
        )


class LiveFilter(Parameters):
    """Which events; each filter may be repeated and hold several names, separated by commas."""

    entity: Names = Field(default=[], description="Ids of entities.")
    type: Names = Field(default=[], description="Entity types.")
    parent: Names = Field(default=[], description="Ids of areas; everything below them.")
    property: Names = Field(default=[], description="Observed properties, indicators and roll-ups.")
    theme: Annotated[list[Theme], BeforeValidator(split_names)] = Field(default=[], description="Themes.")
    bbox: BoxText | None = Field(default=None, description="west,south,east,north; degrees, WGS 84.")
    events: Annotated[list[EventName], BeforeValidator(split_names)] = Field(
        default=[], description="Events to send; all by default. A gap is always told."
    )
    cursor: str | None = Field(
        default=None, description="`id` of the last event seen; the header Last-Event-ID goes before it."
    )

    def filter(self) -> EntityFilter:
        """Return what is asked for."""
        return EntityFilter(
            entities=frozenset(self.entity),
            types=frozenset(self.type),
            parents=frozenset(self.parent),
            properties=frozenset(self.property),
            themes=frozenset(self.theme),
            bbox=parse_box(self.bbox) if self.bbox else None,
            change_kinds=CHANGE_KINDS.intersection(self.events) or CHANGE_KINDS,
        )


class LiveParameters(LiveFilter):
    """Which events, and from where on."""

    cursor: str | None = Field(
        default=None, description="`id` of the last event seen; the header Last-Event-ID goes before it."
    )


class DatastreamParameters(PageParameters):
    """Which datastreams."""

    entity: Names = Field(default=[], description="Ids of entities.")
    sensor: Names = Field(default=[], description="Ids of sensors.")
    property: Names = Field(default=[], description="Observed properties.")


class ObservationParameters(Parameters):
    """Which observations of a datastream, oldest first."""

    start: TimeText | None = Field(default=None, description="Inclusive; 24 hours before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; now by default.")
    known_at: TimeText | None = Field(
        default=None, description="Answer as it would have been at this time: without what came in later."
    )
    cursor: PageCursor = None
    limit: Annotated[int, Field(ge=1, le=OBSERVATIONS_LIMIT_MAX)] = OBSERVATIONS_LIMIT_DEFAULT

    @property
    def known_at_instant(self) -> Instant | None:
        """The time of which the knowledge is asked for; None for the present one."""
        return parse_time(self.known_at) if self.known_at else None


class HistoryParameters(ObservationParameters):
    """Which part of an entity's history: single readings, or buckets when an interval is given."""

    property: str = Field(
        description="Observed property, indicator (`lki`), or roll-up over the area (`area_pm2_5`)."
    )
    interval: IntervalText | None = Field(
        default=None, description="Length of a bucket, ISO 8601: PT15M is elapsed time, P1D a local day."
    )
    aggregate: Annotated[list[AggregateName], BeforeValidator(split_names)] = Field(
        default=[], description="What each bucket tells; mean, min and max by default. Needs `interval`."
    )
    timezone: ZoneText | None = Field(
        default=None, description="IANA zone of local days; the city's by default. Needs `interval`."
    )
    fill: Fill | None = Field(
        default=None, description="`null` lists buckets without data too. Needs `interval`."
    )


class ProvenanceParameters(Parameters):
    """Of which value."""

    property: str = Field(
        description="Observed property, indicator (`lki`), or roll-up over the area (`area_pm2_5`)."
    )
    time: TimeText | None = Field(default=None, description="Of the value at this time; now by default.")
    start: TimeText | None = Field(default=None, description="Of the values from here on, with `end`.")
    end: TimeText | None = Field(default=None, description="Exclusive.")


class CorrelationParameters(Parameters):
    """Which two values of an area, over which hours."""

    entity: str | None = Field(default=None, description="Id of the entity that `x` and `y` are of.")
    x: str = Field(description="Property, indicator or roll-up; `entity:name` for one of another entity.")
    y: str = Field(description="As `x`.")
    start: TimeText | None = Field(default=None, description="Inclusive; 30 days before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; now by default. At most 366 days.")
    lag: Annotated[
        int, Field(ge=0, le=LAG_MAX, description="Hours by which y may follow x, or x follow y, at most.")
    ] = 0
    method: Method = "pearson"
