"""Query parameters of the live event stream; a webhook has the same filter in its body."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import BeforeValidator, Field

from api.entities.known_names import EntityIds, EntityTypes, ValueNames
from api.entities.schemas import BOX, BoxText, parse_box
from api.entities.selection import CHANGE_KINDS, EntityFilter
from api.http.parameters import Parameters, Themes, split_names
from api.live.events import EventName


class EventFilter(Parameters):
    """Which events; each filter may be repeated and may hold several names, separated by commas."""

    entity: EntityIds = Field(default=[], description="Ids of entities.")
    type: EntityTypes = Field(default=[], description="Entity types.")
    parent: EntityIds = Field(default=[], description="Ids of areas; everything inside them.")
    property: ValueNames = Field(default=[], description="Observed properties, indicators and roll-ups.")
    theme: Themes = Field(default=[], description="Themes.")
    bbox: BoxText | None = Field(default=None, description=BOX)
    events: Annotated[list[EventName], BeforeValidator(split_names)] = Field(
        default=[], description="Events to send; all by default. A gap is always sent."
    )

    def filter(self) -> EntityFilter:
        """Return the filter that the parameters describe."""
        return EntityFilter(
            entities=frozenset(self.entity),
            types=frozenset(self.type),
            parents=frozenset(self.parent),
            properties=frozenset(self.property),
            themes=frozenset(self.theme),
            bbox=parse_box(self.bbox) if self.bbox else None,
            change_kinds=CHANGE_KINDS.intersection(self.events) or CHANGE_KINDS,
        )

    def event_names(self) -> frozenset[EventName]:
        """The events to send."""
        return frozenset(self.events or get_args(EventName))


class LiveFilter(EventFilter):
    """Which events, and from where on."""

    # Accepted in the filter of a webhook too, which ignores it: webhooks have stored it there.
    cursor: str | None = Field(
        default=None,
        description="`id` of the last event received; the header Last-Event-ID takes precedence.",
    )
