"""Series: the past of one value of an entity, whether it is observed, derived, or published of households."""

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
from twin.model.role import Role, may_read_personal_data
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.state.derived_state import is_windowed

_HOURLY = BucketInterval(elapsed=HOUR)


class ValueSeries(NamedTuple):
    """Where the past of one value is."""

    entity: str
    named: ValueName
    datastreams: tuple[int, ...]  #: that are nobody's personal data, retired ones too
    personal: tuple[int, ...]  #: datastreams that are
    published: bool  #: whether buckets are made of published values instead of observations

    def readable(self, role: Role) -> tuple[int, ...]:
        """Return the datastreams whose single readings a role may see."""
        return (*self.datastreams, *self.personal) if may_read_personal_data(role) else self.datastreams


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
    """Return what a name stands for; raise a problem when it stands for nothing."""
    found = resolve_name(name, model)
    if found is None:
        raise bad_request(
            RequestFault(
                "query",
                parameter,
                "unknown",
                f"{name!r} is no observed property of the city, no indicator and no roll-up (area_…)",
            )
        )
    return found


async def read_series(connection: Connection, entity: str, what: ValueName) -> ValueSeries:
    """Return the series of a value of an entity.

    One whose property is, or ever was, measured by a household's sensor is answered from what was published:
    that a meter was taken away does not make its readings anybody's.
    """
    if not what.observed:
        return ValueSeries(entity, what, (), (), published=True)
    behind = await read_source_datastreams(connection, entity, what.name)
    personal = tuple(one.id for one in behind if one.personal)
    others = tuple(one.id for one in behind if not one.personal)
    return ValueSeries(entity, what, others, personal, published=bool(personal))


async def read_buckets(
    connection: Connection, series: ValueSeries, wanted: BucketQuery, model: CityModel
) -> list[HistoryBucket]:
    """Return the buckets of a series, oldest first; raises a problem, or QueryError, when it cannot."""
    if not series.published:
        observed = model.properties[series.named.name]
        return await read_history_buckets(
            connection,
            series.datastreams,
            *wanted[:5],
            combination=observed.combination,
            fill=wanted.fill,
            observed_property=observed,
            known_at=wanted.known_at,
            day_zone=model.city.timezone,
        )
    if wanted.known_at is not None:
        raise known_at_problem(series.named.name)
    usual = HOUSEHOLD_WINDOW if series.personal else typical_interval(series.entity, series.named, model)
    return await read_published_buckets(
        connection,
        series.entity,
        series.named.name,
        *wanted[:5],
        kind="circular_mean" if series.named.aggregation == "circular_mean" else "mean",
        fill=wanted.fill,
        expected=usual or 0,
        at_end=bool(series.personal) or is_windowed(series.named.name.removeprefix(AREA_PREFIX)),
    )


def known_at_problem(name: str) -> Exception:
    """Return the problem of asking what a published value was known to be."""
    return bad_request(
        RequestFault(
            "query",
            "knownAt",
            "not-kept",
            f"{name!r} is answered from published values, of which only the last one of each time is kept; "
            "leave `knownAt` out, or ask for a property that is observed there and not of households",
        )
    )


async def hourly_means(
    connection: Connection, series: ValueSeries, start: Instant, end: Instant, model: CityModel
) -> dict[Instant, float]:
    """Return the mean of each hour that has one; hours are those of UTC."""
    wanted = BucketQuery(start, end, _HOURLY, ("mean",), "UTC")
    found = await read_buckets(connection, series, wanted, model)
    return {one.start: mean for one in found if (mean := one.values["mean"]) is not None}
