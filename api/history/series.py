"""The stored series of a value of an entity: observed, derived, or published for households."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from api.http.problems import RequestFault, bad_request
from storage.database import Connection
from storage.history.bucket_interval import BucketInterval
from storage.history.bucket_parts import AggregateName, Fill, HistoryBucket
from storage.history.buckets import read_history_buckets, read_published_buckets
from storage.history.lineage import read_source_datastreams
from twin.instant import HOUR, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, ValueName, resolve_name, typical_interval
from twin.model.role import Role, may_read_readings
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.state.derived_points import is_windowed

_HOURLY = BucketInterval(elapsed=HOUR)


class ValueSeries(NamedTuple):
    """Where the stored values of one name of an entity are."""

    entity: str
    named: ValueName
    datastreams: tuple[int, ...]  #: without personal data, including retired ones
    personal: tuple[int, ...]  #: datastreams with personal data
    published: bool  #: whether buckets aggregate published values instead of observations

    def readable(self, role: Role) -> tuple[int, ...]:
        """Return the datastreams whose single readings a role may see."""
        readable = self.personal if may_read_readings(role, personal=True) else ()
        return (*self.datastreams, *readable)


class BucketQuery(NamedTuple):
    """Which buckets of a series."""

    start: Instant
    end: Instant
    interval: BucketInterval
    aggregates: Sequence[AggregateName]
    timezone: str
    fill: Fill = "none"
    known_at: Instant | None = None


def lookup_name(name: str, model: CityModel, parameter: str = "property") -> ValueName:
    """Return the value that a name denotes; raise a problem for an unknown name."""
    value_name = resolve_name(name, model)
    if value_name is None:
        raise bad_request(
            RequestFault(
                "query",
                parameter,
                "unknown",
                f"{name!r} is not an observed property of the city, an indicator or a roll-up (area_…)",
            )
        )
    return value_name


async def read_series(connection: Connection, entity: str, name: ValueName) -> ValueSeries:
    """Return the series of a value of an entity.

    Where a household's sensor measures the property, or ever did, the series is of published values: the
    readings stay personal data after the meter is removed.
    """
    if not name.observed:
        return ValueSeries(entity, name, (), (), published=True)
    sources = await read_source_datastreams(connection, entity, name.name)
    personal = tuple(source.id for source in sources if source.personal)
    others = tuple(source.id for source in sources if not source.personal)
    return ValueSeries(entity, name, others, personal, published=bool(personal))


async def read_buckets(
    connection: Connection, series: ValueSeries, query: BucketQuery, model: CityModel
) -> list[HistoryBucket]:
    """Return the buckets of a series, oldest first; raise a problem or QueryError for an invalid query."""
    if not series.published:
        observed = model.properties[series.named.name]
        return await read_history_buckets(
            connection,
            series.datastreams,
            *query[:5],
            combination=observed.combination,
            fill=query.fill,
            observed_property=observed,
            known_at=query.known_at,
            day_zone=model.city.timezone,
        )
    if query.known_at is not None:
        raise known_at_problem(series.named.name)
    expected = HOUSEHOLD_WINDOW if series.personal else typical_interval(series.entity, series.named, model)
    return await read_published_buckets(
        connection,
        series.entity,
        series.named.name,
        *query[:5],
        kind="circular_mean" if series.named.aggregation == "circular_mean" else "mean",
        fill=query.fill,
        expected=expected or 0,
        at_end=bool(series.personal) or is_windowed(series.named.name.removeprefix(AREA_PREFIX)),
    )


def known_at_problem(name: str) -> Exception:
    """Return the problem of a query for earlier knowledge of a published value."""
    return bad_request(
        RequestFault(
            "query",
            "knownAt",
            "not-kept",
            f"{name!r} is answered from published values, of which only the last version is stored; omit "
            "`knownAt`, or ask for a property that is observed there and is not of households",
        )
    )


async def hourly_means(
    connection: Connection, series: ValueSeries, start: Instant, end: Instant, model: CityModel
) -> dict[Instant, float]:
    """Return the mean of each hour that has one; hours of UTC."""
    query = BucketQuery(start, end, _HOURLY, ("mean",), "UTC")
    buckets = await read_buckets(connection, series, query, model)
    return {bucket.start: mean for bucket in buckets if (mean := bucket.values["mean"]) is not None}
