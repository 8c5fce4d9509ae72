"""The live view: the present value of every property of every entity, in memory. Pure; owned by the hub."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from api.selection import Selection
from twin.freshness import Freshness, freshness, live_for, stale_for
from twin.instant import INSTANT_MAX, Duration, Instant
from twin.messages import Update
from twin.model import CityModel
from twin.observation import Observation

_NEVER: Instant = INSTANT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What the database knows: the view at known positions of one log."""

    updates: tuple[Update, ...] = ()
    datastreams: tuple[Observation, ...] = ()
    revisions: dict[str, int] = field(default_factory=dict)  #: of each entity
    offsets: dict[int, int] = field(default_factory=dict)  #: next offset of each partition of `updates`


@dataclass(slots=True, eq=False)
class Value:
    """The present value of one property of one entity."""

    update: Update
    freshness: Freshness | None = None  #: as last told; None while the model does not know the property
    due: Instant = _NEVER  #: when its freshness is looked at next


@dataclass(slots=True)
class EntityView:
    """What is known of one entity."""

    revision: int = 0
    properties: dict[str, Value] = field(default_factory=dict)
    datastreams: dict[int, Observation] = field(default_factory=dict)


class LiveView:
    """Takes updates in, drops those that it knows, and knows when each value ages."""

    def __init__(self, model: CityModel) -> None:
        self.model = model
        self._entities: dict[str, EntityView] = {}
        self._due: list[tuple[Instant, str, str]] = []
        self._intervals: dict[tuple[int, ...], Duration] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return how many values there are."""
        return self._size

    def entity(self, id: str) -> EntityView | None:
        """Return what is known of an entity, or None when nothing is."""
        return self._entities.get(id)

    def reset(self, seed: Seed, now: Instant) -> None:
        """Replace everything by what the database knows."""
        self._entities.clear()
        self._due.clear()
        self._size = 0
        self.merge(seed, now)
        for entity, revision in seed.revisions.items():
            view = self._entities.setdefault(entity, EntityView())
            view.revision = max(view.revision, revision)

    def merge(self, seed: Seed, now: Instant) -> list[Value]:
        """Take in what the database knows and this view does not; return the values that changed.

        The revision of an entity stays that of the log, so that updates still to come are not dropped.
        """
        changed = []
        for update in seed.updates:
            view = self._entities.setdefault(update.entity, EntityView())
            value = view.properties.get(update.property)
            if value is None or update.revision > value.update.revision:
                changed.append(self._put(view, update, now))
        for observation in seed.datastreams:
            datastream = self.model.datastreams.get(observation.datastream)
            if datastream is not None:
                view = self._entities.setdefault(datastream.entity, EntityView())
                _keep_newest(view, observation)
        return changed

    def apply(self, update: Update, now: Instant) -> Value | None:
        """Take in an update of the log; return its value, or None when it was known already."""
        view = self._entities.get(update.entity)
        if view is None:
            view = self._entities[update.entity] = EntityView()
        if update.revision <= view.revision:
            return None
        view.revision = update.revision
        value = view.properties.get(update.property)
        if value is not None and update.revision <= value.update.revision:
            return None
        view.datastreams[update.observation.datastream] = update.observation
        return self._put(view, update, now)

    def _put(self, view: EntityView, update: Update, now: Instant) -> Value:
        value = view.properties.get(update.property)
        if value is None:
            value = view.properties[update.property] = Value(update)
            self._size += 1
        value.update = update
        self._judge(value, now)
        return value

    def _judge(self, value: Value, now: Instant) -> None:
        """Set a value's freshness, and note when to look again."""
        update = value.update
        interval = self.interval_of(update)
        if interval is None:
            value.freshness, value.due = None, _NEVER
            return
        value.freshness = freshness(update.phenomenon_time, interval, now)
        if value.freshness == "silent":
            value.due = _NEVER
            return
        lasts = live_for(interval) if value.freshness == "live" else stale_for(interval)
        due = update.phenomenon_time + lasts + 1
        # A value that was renewed is still in the heap for its old instant, and is looked at then: one entry
        # a value keeps the heap as small as the view.
        if due < value.due:
            value.due = due
            heapq.heappush(self._due, (due, update.entity, update.property))

    def interval_of(self, update: Update) -> Duration | None:
        """Return the shortest expected interval of the datastreams behind a value.

        None when the model does not know the entity or the property: then the value is not shown.
        """
        model = self.model
        if update.entity not in model.entities or update.property not in model.properties:
            return None
        known = self._intervals.get(update.datastreams)
        if known is None:
            found = [
                model.datastreams[one].interval for one in update.datastreams if one in model.datastreams
            ]
            found = found or [one.interval for one in model.datastreams_of(update.entity, update.property)]
            if not found:
                return None
            known = self._intervals[update.datastreams] = min(found)
        return known

    def sweep(self, now: Instant) -> list[tuple[Instant, Value]]:
        """Age every value to `now`; return those whose freshness changed, by the instant at which it did."""
        aged = []
        while self._due and self._due[0][0] <= now:
            due, entity, property = heapq.heappop(self._due)
            view = self._entities.get(entity)
            value = view.properties.get(property) if view is not None else None
            if value is None or value.due != due:
                continue
            before = value.freshness
            value.due = _NEVER
            self._judge(value, now)
            if value.freshness != before:
                aged.append((due, value))
        return aged

    def aged_since(self, value: Value, since: Instant, now: Instant) -> bool:
        """Whether a value's freshness changed after `since` and until `now` by age alone."""
        interval = self.interval_of(value.update)
        if interval is None:
            return False
        measured = value.update.phenomenon_time
        return freshness(measured, interval, since) != freshness(measured, interval, now)

    def remodel(self, model: CityModel, now: Instant) -> list[Value]:
        """Go on with another model; return the values whose freshness it changed."""
        self.model = model
        self._intervals.clear()
        self._due.clear()
        changed = []
        for value in self.values():
            before, value.due = value.freshness, _NEVER
            self._judge(value, now)
            if value.freshness != before and value.freshness is not None:
                changed.append(value)
        return changed

    def values(self) -> Iterator[Value]:
        """Yield every value, entity by entity."""
        for view in self._entities.values():
            yield from view.properties.values()

    def matching(self, selection: Selection) -> Iterable[Value]:
        """Yield the values that are selected, entity by entity."""
        for entity, view in self._entities.items():
            if entity not in selection.entities:
                continue
            for property, value in view.properties.items():
                if property in selection.properties and value.freshness is not None:
                    yield value


def _keep_newest(view: EntityView, observation: Observation) -> None:
    known = view.datastreams.get(observation.datastream)
    if known is None or observation[1:] > known[1:]:
        view.datastreams[observation.datastream] = observation
