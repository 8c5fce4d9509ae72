"""Query parameters of downloads."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.entities.known_names import EntityIds, EntityTypes, PropertyNames, RuleIds, SensorIds
from api.entities.selection import EntityFilter
from api.http.parameters import Parameters, Themes, TimeText, parse_time
from twin.instant import Instant

ROWS_MAX = 1_000_000_000


class DownloadParameters(Parameters):
    """Which time, as known when, and which part of it."""

    start: TimeText | None = Field(default=None, description="Inclusive; 24 hours before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; `knownAt` by default.")
    known_at: TimeText | None = Field(
        default=None,
        description="Answer as of this time: without what arrived later. At least 30 seconds ago, which is "
        "the default; `Content-Location` has the one of this download.",
    )
    cursor: Annotated[str, Field(max_length=2_000)] | None = Field(
        default=None,
        description="From the column `cursor`: the rows after that row, of the same query as known at the "
        "same time.",
    )
    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] | None = Field(
        default=None,
        description="Rows of this part; all by default. The last one has a `cursor` if more may follow.",
    )

    @property
    def known_at_instant(self) -> Instant | None:
        """The instant of `known_at`; None for the latest one."""
        return parse_time(self.known_at) if self.known_at else None


class ObservationDownloadParameters(DownloadParameters):
    """Which observations; each filter may be repeated and may hold several names, separated by commas."""

    property: PropertyNames = Field(default=[], description="Observed properties.")
    type: EntityTypes = Field(default=[], description="Types of the entity, any of them.")
    parent: EntityIds = Field(default=[], description="Ids of areas; everything inside them.")
    entity: EntityIds = Field(default=[], description="Ids of entities.")
    sensor: SensorIds = Field(default=[], description="Ids of sensors.")

    def filter(self) -> EntityFilter:
        """Return the conditions that the city model decides."""
        return EntityFilter(
            entities=frozenset(self.entity), types=frozenset(self.type), parents=frozenset(self.parent)
        )


class AlarmEventDownloadParameters(DownloadParameters):
    """Which events of alarms; `start` and `end` are of `toldTime`, when an event was published."""

    rule: RuleIds = Field(default=[], description="Ids of rules.")
    theme: Themes = Field(default=[], description="Themes of the rule, any of them.")
    type: EntityTypes = Field(default=[], description="Types of the entity, any of them.")
    parent: EntityIds = Field(default=[], description="Ids of areas; everything inside them.")
    entity: EntityIds = Field(default=[], description="Ids of entities.")

    def filter(self) -> EntityFilter:
        """Return the conditions that the city model decides."""
        return EntityFilter(
            entities=frozenset(self.entity),
            types=frozenset(self.type),
            parents=frozenset(self.parent),
            themes=frozenset(self.theme),
            change_kinds=frozenset({"alarm"}),
        )
