"""Query parameters of the live event stream; a webhook has the same filter in its body."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from api.entities.known_names import EntityIds, EntityTypes, ValueNames
from api.entities.schemas import BOX, BoxText, parse_box
from api.entities.selection import CHANGE_KINDS, EntityFilter
from api.http.parameters import DurationText, Parameters, Themes, TimeText, parse_time, parsed_by, split_names
from api.live.cursor import HistoryPlace
from api.live.events import EventName
from api.live.history.history_player import requested_start
from api.live.reduction import FIELDS, Reduction
from cities.duration import parse_duration
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant

INTERVAL_MAX: Duration = HOUR
"""Between two events of one value."""


def _interval_s(text: str) -> float:
    interval = parse_duration(text)
    if not 0 < interval <= INTERVAL_MAX:
        raise ValueError("expected a duration above zero and at most an hour, such as PT10S")
    return interval / SECOND


HEARTBEAT_MIN: Duration = SECOND
HEARTBEAT_MAX: Duration = MINUTE
"""Between two heartbeats. One for a thousand subscribers takes a millisecond, and a write to each of them."""


def _heartbeat_s(text: str) -> float:
    interval = parse_duration(text)
    if not HEARTBEAT_MIN <= interval <= HEARTBEAT_MAX:
        raise ValueError("expected a duration from a second to a minute, such as PT5S")
    return interval / SECOND


def _field(name: str) -> str:
    if name not in FIELDS:
        raise ValueError(f"expected members of a value: {', '.join(FIELDS)}")
    return name


FieldName = Annotated[str, AfterValidator(_field), Field(json_schema_extra={"enum": list(FIELDS)})]


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


class ReducedEvents(Parameters):
    """Which changes of values and which of their members are left out; alarms and snapshots never are."""

    min_change: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0.0,
        description="Least change of a value since the last event of it, in its unit; a change of quality or "
        "freshness is always sent.",
    )
    min_interval: Annotated[DurationText, parsed_by(_interval_s)] | None = Field(
        default=None,
        description="Least time between two events of one value (ISO 8601, at most PT1H); its newest value "
        "is sent when it is over, a change of quality or freshness at once.",
    )
    fields: Annotated[list[FieldName], BeforeValidator(split_names)] = Field(
        default=[], description="Members of `data` of values; all by default."
    )

    def reduction(self) -> Reduction:
        """Return what is left out."""
        interval_s = _interval_s(self.min_interval) if self.min_interval is not None else 0.0
        return Reduction(self.min_change, interval_s, frozenset(self.fields or FIELDS))


class LiveFilter(EventFilter):
    """Which events, and from where on."""

    # Accepted in the filter of a webhook too, which ignores it: webhooks have stored it there.
    cursor: str | None = Field(
        default=None,
        description="`id` of the last event received; the header Last-Event-ID takes precedence.",
    )


class Heartbeats(Parameters):
    """Whether signs of life come among the events."""

    heartbeat: Annotated[DurationText, parsed_by(_heartbeat_s)] | None = Field(
        default=None,
        description="Time between two events `heartbeat`, which tell how far the stream is (ISO 8601, from "
        "PT1S to PT1M); none by default. They begin when what was missed has been sent.",
    )

    def heartbeat_s(self) -> float | None:
        """Return the time between two heartbeats; None for none."""
        return _heartbeat_s(self.heartbeat) if self.heartbeat is not None else None


class PlayedEvents(Parameters):
    """From when on stored history is played first, instead of a snapshot."""

    start: TimeText | None = Field(
        default=None,
        description="Play what was received from this time on (RFC 3339, at most 31 days ago), as it was "
        "stored and in the order of reception, then go on with changes. Ignored with a cursor.",
    )

    def first_place(self, now: Instant, part: str) -> HistoryPlace | None:
        """Return the place before the history to play, None for none.

        Raises a problem for a start out of range; `part` of the request has it.
        """
        return None if self.start is None else requested_start(parse_time(self.start), now, part)


class LiveParameters(LiveFilter, ReducedEvents, PlayedEvents, Heartbeats):
    """Which events, from where on, what of them is left out, and the signs of life between them."""
