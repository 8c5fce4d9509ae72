"""What is derived of an entity: its indicators, and the published values of its households.

Computed at most once a second of log time, from what changed since. An indicator whose inputs fail is told
again with their flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from twin.indicators.indicator import Indicator, IndicatorValue, Input, InputValue
from twin.indicators.registry import REGISTRY
from twin.instant import HOUR, MINUTE, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import LastGoodValue
from twin.model.observed_property import ObservedProperty
from twin.privacy.household_sum import HOUSEHOLD_WINDOW, HouseholdSum
from twin.quality.quality_flags import UNUSABLE_FLAGS, is_usable
from twin.state.window import Aggregate
from twin.state.window_history import NewestWindow, WindowHistory
from twin.wire.messages import Update

_SIZES: Mapping[str, Duration] = {"minute": MINUTE, "ten_minutes": 10 * MINUTE, "hour": HOUR, "day": HOUR}

# An input of an instant, remembered for slopes: an hour of values a minute apart, and some more.
INSTANT_VALUES_MAX = 128


class DerivedValue(NamedTuple):
    """A derived value that is to be told."""

    name: str
    value: float
    phenomenon_time: Instant
    flags: int
    datastreams: tuple[int, ...]  #: of the cohort, where it is of households
    weight: int  #: how many sensors or connections are behind it
    interval: Duration  #: how often it is made anew
    last_good: LastGoodValue | None = None  #: the value itself, where its inputs have failed since


class DerivedState(msgspec.Struct, array_like=True):
    """What the derived values of an entity are made from. Mutable; goes into a checkpoint."""

    window_histories: dict[str, dict[Duration, WindowHistory]] = msgspec.field(default_factory=dict)
    instant_values: dict[str, list[InputValue]] = msgspec.field(default_factory=dict)  #: oldest first
    households: dict[str, HouseholdSum] = msgspec.field(default_factory=dict)
    emitted: dict[str, IndicatorValue] = msgspec.field(default_factory=dict)
    changed: set[str] = msgspec.field(default_factory=set)  #: properties, since values were last derived

    def on_update(self, update: Update, required: RequiredInputs) -> None:
        """Remember the new value of a property, where an indicator needs it."""
        history = required.instants.get(update.property)
        if history is None:
            return
        self.changed.add(update.property)
        value = InputValue(update.value, update.phenomenon_time, update.flags, update.count)
        known = self.instant_values.setdefault(update.property, [])
        while known and known[-1].time >= value.time:
            known.pop()  # corrected, or told again
        known.append(value)
        while len(known) > 1 and (value.time - known[0].time > history or len(known) > INSTANT_VALUES_MAX):
            del known[0]

    def on_window(self, property: str, aggregate: Aggregate, wanted: RequiredInputs) -> None:
        """Take in a window of a property that is nobody's personal data."""
        if (property, aggregate.size) not in wanted.windows:
            return
        trail = self.window_histories.setdefault(property, {}).setdefault(aggregate.size, WindowHistory())
        if trail.add(aggregate):
            self.changed.add(property)

    def on_personal_window(self, property: ObservedProperty, aggregate: Aggregate, now: Instant) -> None:
        """Take in a window of one household."""
        # Power alone: a register's readings, or a mean, would be a second equation about the same homes.
        if (
            aggregate.size == HOUSEHOLD_WINDOW
            and property.roll_up == "sum"
            and property.aggregation == "mean"
        ):
            household = self.households.setdefault(property.name, HouseholdSum())
            household.add(aggregate, now)

    def derive(
        self, model: CityModel, entity: str, wanted: RequiredInputs, now: Instant
    ) -> list[DerivedValue]:
        """Return the values that are new at the log time `now`."""
        found = self._published(model, entity, wanted, now)
        if not self.changed:
            return found
        changed, self.changed = self.changed, set()
        attributes = model.entities[entity].attributes if entity in model.entities else {}
        for indicator in wanted.indicators:
            if any(one.property in changed for one in indicator.inputs):
                value, failed_at = self._evaluated(indicator, attributes, model, wanted)
                if value is not None and value != self.emitted.get(indicator.name):
                    self.emitted[indicator.name] = value
                    found.append(_derived(indicator, value, failed_at))
        return found

    def _published(
        self, model: CityModel, entity: str, wanted: RequiredInputs, now: Instant
    ) -> list[DerivedValue]:
        found = []
        for name, household in self.households.items():
            if not household.pending:
                continue
            behind = model.datastreams_of(entity, name)
            interval = max((datastream.interval for datastream in behind), default=0)
            for one in household.publish(now, len(behind), interval):
                end = one.window + HOUSEHOLD_WINDOW
                found.append(
                    DerivedValue(name, one.value, end, one.flags, one.members, one.count, HOUSEHOLD_WINDOW)
                )
                if wanted.uses(name):
                    self.instant_values[name] = [InputValue(one.value, one.window, one.flags, one.count)]
                    self.changed.add(name)
        return found

    def _evaluated(
        self, indicator: Indicator, attributes: Mapping[str, Any], model: CityModel, wanted: RequiredInputs
    ) -> tuple[IndicatorValue | None, Instant | None]:
        """Return the value of an indicator, and since when the inputs have failed that it cannot do without.

        It is the last one then, with the flags of those inputs: nothing newer can be made, and no clock has
        to pass before that is told.
        """
        inputs: dict[str, Sequence[InputValue]] = {}
        failed: dict[str, NewestWindow] = {}
        for one in indicator.inputs:
            if one.property in wanted.observed:
                inputs[one.property] = self._values(one, model)
                failure = self._failure(one, model)
                if failure is not None:
                    failed[one.property] = failure
        value = indicator.evaluate(inputs, attributes) if any(inputs.values()) else None
        if not failed or indicator.evaluate({**inputs, **dict.fromkeys(failed, ())}, attributes) is not None:
            return value, None
        last = value or self.emitted.get(indicator.name)
        if last is None:
            return None, None
        flags = last.flags & ~UNUSABLE_FLAGS
        for failure in failed.values():
            flags |= failure.failure_flags
        return last._replace(flags=flags), min(one.start for one in failed.values())

    def _failure(self, one: Input, model: CityModel) -> NewestWindow | None:
        """Return the newest value or window of an input where it is not good, None where it is."""
        if one.property in self.households:
            return None
        if one.averaging != "instant":
            size = _SIZES[one.averaging]
            trail = self.window_histories.get(one.property, {}).get(size)
            return trail.failure(model.properties[one.property], size) if trail is not None else None
        known = self.instant_values.get(one.property)
        if not known or is_usable(known[-1].flags):
            return None
        return NewestWindow(known[-1].time, known[-1].flags & UNUSABLE_FLAGS)

    def _values(self, one: Input, model: CityModel) -> list[InputValue]:
        if one.averaging == "instant" or one.property in self.households:
            return self.instant_values.get(one.property, [])
        trail = self.window_histories.get(one.property, {}).get(_SIZES[one.averaging])
        return trail.values(model.properties[one.property]) if trail is not None else []


class RequiredInputs(NamedTuple):
    """Which inputs an entity must remember, for the indicators that it can have."""

    observed: frozenset[str]  #: the properties that are observed on it
    indicators: tuple[Indicator, ...]
    instants: Mapping[str, Duration]  #: property → how far back
    windows: frozenset[tuple[str, Duration]]  #: (property, size)

    def uses(self, property: str) -> bool:
        """Whether any indicator is computed from a property."""
        return any(one.property == property for indicator in self.indicators for one in indicator.inputs)


def required_inputs(
    properties: Iterable[str],
    attributes: Mapping[str, Any],
    windows: Iterable[tuple[str, Duration]] = (),
) -> RequiredInputs:
    """Return what an entity with these observed properties and attributes must remember.

    `windows` names what rules look at beside the indicators: property and size.
    """
    observed = frozenset(properties)
    indicators = tuple(one for one in REGISTRY.values() if one.applies_to(observed, attributes))
    inputs = [one for indicator in indicators for one in indicator.inputs if one.property in observed]
    instants: dict[str, Duration] = {}
    for one in inputs:
        if one.averaging == "instant":
            instants[one.property] = max(one.history, instants.get(one.property, 0))
    return RequiredInputs(
        observed,
        indicators,
        instants,
        frozenset((one.property, _SIZES[one.averaging]) for one in inputs if one.averaging != "instant")
        | frozenset(one for one in windows if one[0] in observed),
    )


def derived_interval(name: str) -> Duration:
    """Return how often a derived value is made anew at least; 0: as often as what it is derived from."""
    indicator = REGISTRY.get(name)
    if indicator is None:
        return HOUSEHOLD_WINDOW  # published by households
    return max((_SIZES[one.averaging] for one in indicator.inputs if one.averaging != "instant"), default=0)


def indicator_value_from_storage(name: str, value: float, time: Instant, flags: int) -> IndicatorValue:
    """Return an indicator as it was stored. From what it was computed is not, so any that is new differs."""
    return IndicatorValue(value, time - derived_interval(name), flags, ())


def is_windowed(name: str) -> bool:
    """Whether a derived value is made of closed windows, and dated to the end of the last one."""
    return name in REGISTRY and derived_interval(name) > 0


def _derived(indicator: Indicator, value: IndicatorValue, failed_at: Instant | None) -> DerivedValue:
    interval = derived_interval(indicator.name)
    time = value.time + interval  # a window speaks for its end
    good = LastGoodValue(value.value, time) if failed_at is not None and failed_at > value.time else None
    return DerivedValue(indicator.name, value.value, time, value.flags, (), len(value.inputs), interval, good)
