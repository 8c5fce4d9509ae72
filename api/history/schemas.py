"""Query parameters of stored values."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from api.entities.known_names import known
from api.http.parameters import (
    OBSERVATIONS_LIMIT_DEFAULT,
    OBSERVATIONS_LIMIT_MAX,
    PageCursor,
    Parameters,
    TimeText,
    parse_time,
    parsed_by,
    split_names,
)
from cities.files.values import timezones
from storage.database import QueryError
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AggregateName, Fill
from twin.instant import Instant


def _parse_interval(text: str) -> BucketInterval:
    try:
        return BucketInterval.parse(text)
    except QueryError as error:
        raise ValueError(str(error)) from error


def _parse_zone(name: str) -> ZoneInfo:
    if name not in timezones():
        raise ValueError("expected an IANA time zone, such as Europe/Amsterdam")
    return ZoneInfo(name)


IntervalText = Annotated[str, parsed_by(_parse_interval)]
ZoneText = Annotated[str, parsed_by(_parse_zone)]


class ObservationParameters(Parameters):
    """Which observations of a datastream, oldest first."""

    start: TimeText | None = Field(
        default=None, description="Inclusive; 24 hours before the newest observation by default."
    )
    end: TimeText | None = Field(default=None, description="Exclusive; now by default.")
    known_at: TimeText | None = Field(
        default=None, description="Answer as of this time: without observations that arrived later."
    )
    cursor: PageCursor = None
    limit: Annotated[int, Field(ge=1, le=OBSERVATIONS_LIMIT_MAX)] = OBSERVATIONS_LIMIT_DEFAULT

    @property
    def known_at_instant(self) -> Instant | None:
        """The instant of `known_at`; None for the present knowledge."""
        return parse_time(self.known_at) if self.known_at else None


class HistoryParameters(ObservationParameters):
    """Which part of an entity's history: single readings, or buckets when an interval is given."""

    start: TimeText | None = Field(default=None, description="Inclusive; 24 hours before `end` by default.")
    property: Annotated[str, known("value")] = Field(
        description="Observed property, indicator (`lki`), or roll-up over the area (`area_pm2_5`)."
    )
    interval: IntervalText | None = Field(
        default=None, description="Length of a bucket, ISO 8601: PT15M is elapsed time, P1D a local day."
    )
    aggregate: Annotated[list[AggregateName], BeforeValidator(split_names)] = Field(
        default=[], description="Aggregates of each bucket; mean, min and max by default. Needs `interval`."
    )
    timezone: ZoneText | None = Field(
        default=None, description="IANA zone of local days; the city's by default. Needs `interval`."
    )
    fill: Fill | None = Field(
        default=None, description="`null` lists buckets without data too. Needs `interval`."
    )
