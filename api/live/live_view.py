"""The live view: the present value of every property and indicator of every entity. Pure; owned by the hub.

An entity has two sequences of revisions: one of its observed and derived values, one of the roll-ups over it
as an area. So the revision of each single value decides whether an update is new.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isnan
from operator import itemgetter

from api.entities.selection import ResolvedFilter
from api.live.events import ConstantParts
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.instant import INSTANT_MAX, INSTANT_MIN, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, ValueName, resolve_name, typical_interval
from twin.model.observation import Observation
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.state.freshness import Freshness, freshness, live_duration, stale_duration
from twin.wire.messages import Update, UpdateKind

_NEVER: Instant = INSTANT_MAX

# Looking up a member of an enumeration for each update costs measurable time.
_PERSONAL, _AMENDMENT = UpdateKind.PERSONAL, UpdateKind.AMENDMENT

# Each is about 300 bytes; a city has some thousand values.
INTERVALS_MAX = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSeed:
    """The stored state at known positions of one log, from which the live view starts."""

    updates: tuple[Update, ...] = ()
    datastreams: tuple[Observation, ...] = ()
    alarms: tuple[AlarmEvent, ...] = ()
    incidents: tuple[IncidentEvent, ...] = ()
    #: next offset of each partition of `updates` and `alarms`, by topic and partition
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class LiveValue:
    """The present value of one property or indicator of one entity."""

    update: Update
    freshness: Freshness | None = None  #: as last sent; None while the value is not shown
    freshness_due: Instant = _NEVER  #: when its freshness is evaluated next
    live_duration: Duration = 0  #: how long it is live after its measurement; 0 while it is not shown
    constant_parts: ConstantParts | None = None  #: of its events, once the first was encoded


@dataclass(slots=True)
class EntityView:
    """The present state of one entity."""

    values: dict[str, LiveValue] = field(default_factory=dict)
    datastreams: dict[int, Observation] = field(default_factory=dict)
    #: by datastream, the revision of the update that carried its observation
    datastream_revisions: dict[int, int] = field(default_factory=dict)

    @property
    def revision(self) -> int:
        """The last revision of its observed and derived values, without roll-ups; 0 without values."""
        return self.revision_with(self.datastream_revisions)

    def revision_with(self, datastreams: Iterable[int]) -> int:
        """Return the last revision, as who sees only these datastreams may know it.

        Each reading of a household has a revision: one that rises tells that somebody's meter is not silent.
        """
        own = (
            value.update.revision for name, value in self.values.items() if not name.startswith(AREA_PREFIX)
        )
        return max((*own, *(self.datastream_revisions.get(id, 0) for id in datastreams)), default=0)


class LiveView:
    """Applies updates, drops those that it has, and schedules when the freshness of each value changes."""

    def __init__(self, model: CityModel) -> None:
        self.model = model
        self._entities: dict[str, EntityView] = {}
        self._due: list[tuple[Instant, str, str]] = []
        self._intervals: dict[tuple[str, str, tuple[int, ...]], Duration | None] = {}
        self._names: dict[str, ValueName | None] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return the number of values."""
        return self._size

    def entity(self, id: str) -> EntityView | None:
        """Return the state of an entity, or None when it has none."""
        return self._entities.get(id)

    def reset(self, seed: ViewSeed, now: Instant) -> None:
        """Replace everything by the stored state."""
        self._entities.clear()
        self._due.clear()
        self._size = 0
        self.merge(seed, now)

    def merge(self, seed: ViewSeed, now: Instant) -> list[LiveValue]:
        """Add the part of the stored state that is newer than the view; return the values that changed."""
        changed = []
        for update in seed.updates:
            view = self._entities.setdefault(update.entity, EntityView())
            value = view.values.get(update.property)
            if value is None or update.revision > value.update.revision:
                changed.append(self._put(view, update, now))
        for observation in seed.datastreams:
            datastream = self.model.datastreams.get(observation.datastream)
            if datastream is not None:
                view = self._entities.setdefault(datastream.entity, EntityView())
                _keep_newest(view, observation)
        return changed

    def apply(self, update: Update, now: Instant) -> LiveValue | None:
        """Apply an update of the log; return its value, or None when no event is to be sent.

        No event is sent for an update that the view has already, for an amendment of history, and for one of
        a household: that changes only the state of its datastream, which `state_model` shows to the roles
        that may see it.
        """
        if update.kind is _AMENDMENT:
            return None
        view = self._entities.get(update.entity)
        if view is None:
            view = self._entities[update.entity] = EntityView()
        value = view.values.get(update.property)
        revision = update.revision
        if value is not None and revision <= value.update.revision and update.kind is not _PERSONAL:
            return None
        observation = update.observation
        if observation is not None and revision > view.datastream_revisions.get(observation.datastream, 0):
            view.datastream_revisions[observation.datastream] = revision
            view.datastreams[observation.datastream] = observation
        if update.kind is _PERSONAL:
            return None
        if value is None:
            return self._put(view, update, now)
        before = value.update
        value.update = update
        due = update.phenomenon_time + value.live_duration + 1
        # The common case: the same sources as before, and live.
        if (
            now < due
            and value.live_duration
            and update.datastreams == before.datastreams
            and update.interval == before.interval
            and update.kind is before.kind
            and update.value == update.value  # not NaN
        ):
            value.freshness = "live"
            if due < value.freshness_due:
                self._schedule(value, due)
        else:
            self._evaluate_freshness(value, now)
        return value

    def _put(self, view: EntityView, update: Update, now: Instant) -> LiveValue:
        value = view.values.get(update.property)
        if value is None:
            value = view.values[update.property] = LiveValue(update)
            self._size += 1
        value.update = update
        self._evaluate_freshness(value, now)
        return value

    def freshness_of(self, value: LiveValue, now: Instant) -> Freshness | None:
        """Return the freshness of a value at `now`; None for a value that is not shown."""
        if value.live_duration and now - value.update.phenomenon_time <= value.live_duration:
            return "live"  # The common case, without a look-up.
        interval = self.expected_interval(value.update)
        return None if interval is None else freshness(value.update.phenomenon_time, interval, now)

    def _evaluate_freshness(self, value: LiveValue, now: Instant) -> None:
        """Set the freshness of a value, and schedule its next evaluation."""
        update = value.update
        interval = self.expected_interval(update)
        if interval is None:
            value.freshness, value.freshness_due, value.live_duration = None, _NEVER, 0
            return
        value.live_duration = live_duration(interval)
        value.freshness = freshness(update.phenomenon_time, interval, now)
        if value.freshness == "silent":
            value.freshness_due = _NEVER
            return
        lasts = value.live_duration if value.freshness == "live" else stale_duration(interval)
        due = update.phenomenon_time + lasts + 1
        # A renewed value keeps its old entry in the heap and is evaluated then: with one entry for each value
        # the heap stays as small as the view.
        if due < value.freshness_due:
            self._schedule(value, due)

    def _schedule(self, value: LiveValue, due: Instant) -> None:
        value.freshness_due = due
        heapq.heappush(self._due, (due, value.update.entity, value.update.property))

    def resolve_name(self, name: str) -> ValueName | None:
        """Return the value that a name denotes, or None for an unknown name; cached."""
        try:
            return self._names[name]
        except KeyError:
            resolved = self._names[name] = resolve_name(name, self.model)
            return resolved

    def expected_interval(self, update: Update) -> Duration | None:
        """Return the expected time between two values: that of the update, else that of its sensors.

        None when the model does not contain the entity, the name or any of the sensors, or when the value
        was withdrawn (NaN): it is not shown then. Nor is one that combines single personal readings: the
        stream makes none, and one that an earlier version stored must not be published.
        """
        if isnan(update.value):
            return None
        key = update.entity, update.property, update.datastreams
        if key not in self._intervals:
            # Cohorts and combinations change over time; a cleared interval is computed again.
            if len(self._intervals) >= INTERVALS_MAX:
                self._intervals.clear()
            self._intervals[key] = self._interval_of_sources(update)
        interval = self._intervals[key]
        return update.interval or interval if interval is not None else None

    def _interval_of_sources(self, update: Update) -> Duration | None:
        model = self.model
        name = resolve_name(update.property, model)
        if update.entity not in model.entities or name is None:
            return None
        sources = [model.datastreams[id] for id in update.datastreams if id in model.datastreams]
        if update.kind == UpdateKind.OBSERVED and any(model.policy_of(each).personal for each in sources):
            return None
        if sources:
            # The sum of households has windows, however often their meters report.
            least = HOUSEHOLD_WINDOW if update.kind == UpdateKind.INDICATOR else 0
            return max(least, min(each.interval for each in sources))
        typical = typical_interval(update.entity, name, model)
        return update.interval or None if typical is None else typical

    def age_values(self, now: Instant) -> list[tuple[Instant, LiveValue]]:
        """Update the freshness of every value to `now`; return the changed ones, ordered by their instant."""
        aged = []
        while self._due and self._due[0][0] <= now:
            due, entity, property = heapq.heappop(self._due)
            view = self._entities.get(entity)
            value = view.values.get(property) if view is not None else None
            if value is None or value.freshness_due != due:
                continue
            before = value.freshness
            value.freshness_due = _NEVER
            self._evaluate_freshness(value, now)
            if value.freshness != before:
                # The entry may belong to an earlier measurement: the instant is that of the present one.
                aged.append((self.aged_at(value, INSTANT_MIN, now) or due, value))
        aged.sort(key=itemgetter(0))
        return aged

    def aged_at(self, value: LiveValue, since: Instant, now: Instant) -> Instant | None:
        """Return when age alone last changed a value's freshness, after `since` and until `now`."""
        interval = self.expected_interval(value.update)
        if interval is None:
            return None
        for lasts in (stale_duration(interval), live_duration(interval)):
            due = value.update.phenomenon_time + lasts + 1
            if since < due <= now:
                return due
        return None

    def set_model(self, model: CityModel, now: Instant) -> list[LiveValue]:
        """Replace the city model; return the values whose freshness changed by it."""
        self.model = model
        self._intervals.clear()
        self._names.clear()
        self._due.clear()
        changed = []
        for value in self.values():
            before, value.freshness_due, value.constant_parts = value.freshness, _NEVER, None
            self._evaluate_freshness(value, now)
            if value.freshness != before and value.freshness is not None:
                changed.append(value)
        return changed

    def values(self) -> Iterator[LiveValue]:
        """Yield every value, entity by entity."""
        for view in self._entities.values():
            yield from view.values.values()

    def matching(self, filter: ResolvedFilter) -> Iterable[LiveValue]:
        """Yield the shown values that a filter selects, entity by entity."""
        for entity, view in self._entities.items():
            if entity not in filter.entities:
                continue
            for property, value in view.values.items():
                if property in filter.properties and value.freshness is not None:
                    yield value


def _keep_newest(view: EntityView, observation: Observation) -> None:
    known = view.datastreams.get(observation.datastream)
    if known is None or observation.phenomenon_time > known.phenomenon_time:
        view.datastreams[observation.datastream] = observation
