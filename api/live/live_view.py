"""The live view: the present value of every property and indicator of every entity. Pure; owned by the hub.

An entity has two sequences of revisions: one of what is observed on it and derived of it, one of what is
rolled up over it as an area. So what is known is told from what is new by the revision of each single value.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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

# A member is looked up in its enumeration at a cost that counts here.
_PERSONAL = UpdateKind.PERSONAL

# Each is about 300 bytes; a city has some thousand values.
INTERVALS_MAX = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSeed:
    """What the database knows: the view at known positions of one log."""

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
    freshness: Freshness | None = None  #: as last told; None while it is not to be shown
    freshness_due: Instant = _NEVER  #: when its freshness is looked at next
    live_duration: Duration = 0  #: how long it is live after its measurement; 0 while it is not to be shown
    constant_parts: ConstantParts | None = None  #: what stays the same in its events, once one was written


@dataclass(slots=True)
class EntityView:
    """What is known of one entity."""

    values: dict[str, LiveValue] = field(default_factory=dict)
    datastreams: dict[int, Observation] = field(default_factory=dict)
    datastream_revisions: dict[int, int] = field(
        default_factory=dict
    )  #: by datastream, the revision that told its state

    @property
    def revision(self) -> int:
        """The last revision of what is observed on it and derived of it; 0 where there is none."""
        own = (one.update.revision for name, one in self.values.items() if not name.startswith(AREA_PREFIX))
        return max((*own, *self.datastream_revisions.values()), default=0)


class LiveView:
    """Takes updates in, drops those that it knows, and knows when each value ages."""

    def __init__(self, model: CityModel) -> None:
        self.model = model
        self._entities: dict[str, EntityView] = {}
        self._due: list[tuple[Instant, str, str]] = []
        self._intervals: dict[tuple[str, str, tuple[int, ...]], Duration | None] = {}
        self._names: dict[str, ValueName | None] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return how many values there are."""
        return self._size

    def entity(self, id: str) -> EntityView | None:
        """Return what is known of an entity, or None when nothing is."""
        return self._entities.get(id)

    def reset(self, seed: ViewSeed, now: Instant) -> None:
        """Replace everything by what the database knows."""
        self._entities.clear()
        self._due.clear()
        self._size = 0
        self.merge(seed, now)

    def merge(self, seed: ViewSeed, now: Instant) -> list[LiveValue]:
        """Take in what the database knows and this view does not; return the values that changed."""
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
        """Take in an update of the log; return its value, or None when there is nothing to tell.

        That is so of what was known already, and of a household's: it changes the state of its datastream,
        which `state_document` shows to those who may see it, and nothing else.
        """
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
        # As nearly always: made of the same as before, and live.
        if (
            now < due
            and value.live_duration
            and update.datastreams == before.datastreams
            and update.interval == before.interval
            and update.kind is before.kind
        ):
            value.freshness = "live"
            if due < value.freshness_due:
                self._look_at(value, due)
        else:
            self._judge(value, now)
        return value

    def _put(self, view: EntityView, update: Update, now: Instant) -> LiveValue:
        value = view.values.get(update.property)
        if value is None:
            value = view.values[update.property] = LiveValue(update)
            self._size += 1
        value.update = update
        self._judge(value, now)
        return value

    def _judge(self, value: LiveValue, now: Instant) -> None:
        """Set a value's freshness, and note when to look again."""
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
        # A value that was renewed is still in the heap for its old instant, and is looked at then: one entry
        # a value keeps the heap as small as the view.
        if due < value.freshness_due:
            self._look_at(value, due)

    def _look_at(self, value: LiveValue, due: Instant) -> None:
        value.freshness_due = due
        heapq.heappush(self._due, (due, value.update.entity, value.update.property))

    def resolve_name(self, name: str) -> ValueName | None:
        """Return what the name of a value stands for, or None when it stands for nothing."""
        try:
            return self._names[name]
        except KeyError:
            found = self._names[name] = resolve_name(name, self.model)
            return found

    def expected_interval(self, update: Update) -> Duration | None:
        """Return how often a value is made anew: as the update says, else as the sensors behind it report.

        None when the model does not know the entity, what the name stands for or any sensor behind it: then
        the value is not shown. Neither is one that was combined from single personal readings; the stream
        makes none, and one that an earlier version stored must not be told.
        """
        key = update.entity, update.property, update.datastreams
        if key not in self._intervals:
            # Cohorts and combinations come and go; what is forgotten is found again.
            if len(self._intervals) >= INTERVALS_MAX:
                self._intervals.clear()
            self._intervals[key] = self._usual(update)
        known = self._intervals[key]
        return update.interval or known if known is not None else None

    def _usual(self, update: Update) -> Duration | None:
        model = self.model
        what = resolve_name(update.property, model)
        if update.entity not in model.entities or what is None:
            return None
        behind = [model.datastreams[one] for one in update.datastreams if one in model.datastreams]
        if update.kind == UpdateKind.OBSERVED and any(model.policy_of(one).personal for one in behind):
            return None
        if behind:
            # The sum of households is made of windows, however often their meters report.
            least = HOUSEHOLD_WINDOW if update.kind == UpdateKind.INDICATOR else 0
            return max(least, min(one.interval for one in behind))
        found = typical_interval(update.entity, what, model)
        return update.interval or None if found is None else found

    def age_values(self, now: Instant) -> list[tuple[Instant, LiveValue]]:
        """Age every value to `now`; return those whose freshness changed, by the instant at which it did."""
        aged = []
        while self._due and self._due[0][0] <= now:
            due, entity, property = heapq.heappop(self._due)
            view = self._entities.get(entity)
            value = view.values.get(property) if view is not None else None
            if value is None or value.freshness_due != due:
                continue
            before = value.freshness
            value.freshness_due = _NEVER
            self._judge(value, now)
            if value.freshness != before:
                # An entry may be that of an earlier measurement: the value aged when its own says.
                aged.append((self.aged_at(value, INSTANT_MIN, now) or due, value))
        aged.sort(key=itemgetter(0))
        return aged

    def aged_at(self, value: LiveValue, since: Instant, now: Instant) -> Instant | None:
        """Return when a value's freshness last changed by age alone, after `since` and until `now`."""
        interval = self.expected_interval(value.update)
        if interval is None:
            return None
        for lasts in (stale_duration(interval), live_duration(interval)):
            due = value.update.phenomenon_time + lasts + 1
            if since < due <= now:
                return due
        return None

    def set_model(self, model: CityModel, now: Instant) -> list[LiveValue]:
        """Go on with another model; return the values whose freshness it changed."""
        self.model = model
        self._intervals.clear()
        self._names.clear()
        self._due.clear()
        changed = []
        for value in self.values():
            before, value.freshness_due, value.constant_parts = value.freshness, _NEVER, None
            self._judge(value, now)
            if value.freshness != before and value.freshness is not None:
                changed.append(value)
        return changed

    def values(self) -> Iterator[LiveValue]:
        """Yield every value, entity by entity."""
        for view in self._entities.values():
            yield from view.values.values()

    def matching(self, selection: ResolvedFilter) -> Iterable[LiveValue]:
        """Yield the values that are selected, entity by entity."""
        for entity, view in self._entities.items():
            if entity not in selection.entities:
                continue
            for property, value in view.values.items():
                if property in selection.properties and value.freshness is not None:
                    yield value


def _keep_newest(view: EntityView, observation: Observation) -> None:
    known = view.datastreams.get(observation.datastream)
    if known is None or observation.phenomenon_time > known.phenomenon_time:
        view.datastreams[observation.datastream] = observation
