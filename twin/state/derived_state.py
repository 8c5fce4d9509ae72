"""Derived values of an entity: its indicators, and the published sums of its households.

They are computed at most once a second of log time, from the properties that changed. An indicator whose
inputs fail is emitted again with their flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from twin.indicators.indicator import Indicator, IndicatorValue, Input, InputValue
from twin.indicators.registry import REGISTRY
from twin.instant import Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import averaging_window
from twin.model.observation import LastGoodValue
from twin.model.observed_property import ObservedProperty
from twin.privacy.household_sum import HOUSEHOLD_WINDOW, HouseholdSum
from twin.quality.quality_flags import UNUSABLE_FLAGS, is_usable
from twin.state.window import Aggregate
from twin.state.window_history import NewestWindow, WindowHistory
from twin.wire.messages import Update

INSTANT_VALUES_MAX = 128
"""How many single values of an input are remembered for slopes: an hour of one a minute, with a margin."""


class DerivedValue(NamedTuple):
    """A derived value to emit."""

    name: str
    value: float
    phenomenon_time: Instant
    flags: int
    datastreams: tuple[int, ...]  #: of the cohort, for a sum of households
    weight: int  #: number of sensors or connections behind it
    interval: Duration  #: time between two values
    last_good: LastGoodValue | None = None  #: the value itself, when its inputs have failed since


class RequiredInputs(NamedTuple):
    """The inputs that an entity must remember for its indicators."""

    observed: frozenset[str]  #: the properties observed on the entity
    indicators: tuple[Indicator, ...]
    instants: Mapping[str, Duration]  #: how far back single values are needed, by property
    windows: frozenset[tuple[str, Duration]]  #: (property, size)

    def uses(self, property: str) -> bool:
        """Return whether an indicator is computed from a property."""
        return any(one.property == property for indicator in self.indicators for one in indicator.inputs)


class DerivedState(msgspec.Struct, array_like=True):
    """The inputs of an entity's derived values, and the last values. Mutable; goes into a checkpoint."""

    window_histories: dict[str, dict[Duration, WindowHistory]] = msgspec.field(default_factory=dict)
    instant_values: dict[str, list[InputValue]] = msgspec.field(default_factory=dict)  #: oldest first
    households: dict[str, HouseholdSum] = msgspec.field(default_factory=dict)
    emitted: dict[str, IndicatorValue] = msgspec.field(default_factory=dict)
    changed: set[str] = msgspec.field(default_factory=set)  #: properties changed since the last derivation

    def on_update(self, update: Update, required: RequiredInputs) -> None:
        """Remember the new value of a property, where an indicator needs it."""
        history = required.instants.get(update.property)
        if history is None:
            return
        self.changed.add(update.property)
        value = InputValue(update.value, update.phenomenon_time, update.flags, update.count)
        values = self.instant_values.setdefault(update.property, [])
        while values and values[-1].time >= value.time:
            values.pop()  # corrected, or emitted again
        values.append(value)
        while len(values) > 1 and (value.time - values[0].time > history or len(values) > INSTANT_VALUES_MAX):
            del values[0]

    def on_window(self, property: str, aggregate: Aggregate, required: RequiredInputs) -> None:
        """Remember a window of a property without personal data, where an indicator needs it."""
        if (property, aggregate.size) not in required.windows:
            return
        histories = self.window_histories.setdefault(property, {})
        if histories.setdefault(aggregate.size, WindowHistory()).add(aggregate):
            self.changed.add(property)

    def on_personal_window(self, property: ObservedProperty, aggregate: Aggregate, now: Instant) -> None:
        """Add a window of one household."""
        # Power only: sums of register readings, or a mean, would be a second equation about the same homes.
        if (
            aggregate.size == HOUSEHOLD_WINDOW
            and property.roll_up == "sum"
            and property.aggregation == "mean"
        ):
            household = self.households.setdefault(property.name, HouseholdSum())
            household.add(aggregate, now)

    def derive(
        self, model: CityModel, entity: str, required: RequiredInputs, now: Instant
    ) -> list[DerivedValue]:
        """Return the values that are new at the log time `now`."""
        values = self._published_sums(model, entity, required, now)
        if not self.changed:
            return values
        changed, self.changed = self.changed, set()
        attributes = model.entities[entity].attributes if entity in model.entities else {}
        for indicator in required.indicators:
            if any(input.property in changed for input in indicator.inputs):
                value, failed_at = self._evaluate(indicator, attributes, model, required)
                if value is not None and value != self.emitted.get(indicator.name):
                    self.emitted[indicator.name] = value
                    values.append(_derived_value(indicator, value, failed_at))
        return values

    def _published_sums(
        self, model: CityModel, entity: str, required: RequiredInputs, now: Instant
    ) -> list[DerivedValue]:
        values = []
        for name, household in self.households.items():
            if not household.pending:
                continue
            datastreams = model.datastreams_of(entity, name)
            interval = max((datastream.interval for datastream in datastreams), default=0)
            for total in household.publish(now, len(datastreams), interval):
                values.append(
                    DerivedValue(
                        name,
                        total.value,
                        total.window + HOUSEHOLD_WINDOW,
                        total.flags,
                        total.members,
                        total.count,
                        HOUSEHOLD_WINDOW,
                    )
                )
                if required.uses(name):
                    self.instant_values[name] = [
                        InputValue(total.value, total.window, total.flags, total.count)
                    ]
                    self.changed.add(name)
        return values

    def _evaluate(
        self,
        indicator: Indicator,
        attributes: Mapping[str, Any],
        model: CityModel,
        required: RequiredInputs,
    ) -> tuple[IndicatorValue | None, Instant | None]:
        """Return the value of an indicator, and since when inputs have failed without which it has none.

        It is then the last value, with the flags of those inputs: no newer value can be computed, and the
        failure is emitted without waiting for any timeout.
        """
        inputs: dict[str, Sequence[InputValue]] = {}
        failed: dict[str, NewestWindow] = {}
        for input in indicator.inputs:
            if input.property in required.observed:
                inputs[input.property] = self._values(input, model)
                failure = self._failure(input, model)
                if failure is not None:
                    failed[input.property] = failure
        value = indicator.evaluate(inputs, attributes) if any(inputs.values()) else None
        if not failed or indicator.evaluate({**inputs, **dict.fromkeys(failed, ())}, attributes) is not None:
            return value, None
        last = value or self.emitted.get(indicator.name)
        if last is None:
            return None, None
        flags = last.flags & ~UNUSABLE_FLAGS
        for failure in failed.values():
            flags |= failure.failure_flags
        return last._replace(flags=flags), min(failure.start for failure in failed.values())

    def _failure(self, input: Input, model: CityModel) -> NewestWindow | None:
        """Return the newest value or window of an input where it is not usable; None where it is."""
        if input.property in self.households:
            return None
        if input.averaging != "instant":
            size = averaging_window(input.averaging)
            history = self.window_histories.get(input.property, {}).get(size)
            return history.failure(model.properties[input.property], size) if history is not None else None
        values = self.instant_values.get(input.property)
        if not values or is_usable(values[-1].flags):
            return None
        return NewestWindow(values[-1].time, values[-1].flags & UNUSABLE_FLAGS)

    def _values(self, input: Input, model: CityModel) -> list[InputValue]:
        if input.averaging == "instant" or input.property in self.households:
            return self.instant_values.get(input.property, [])
        size = averaging_window(input.averaging)
        history = self.window_histories.get(input.property, {}).get(size)
        return history.values(model.properties[input.property]) if history is not None else []


def required_inputs(
    properties: Iterable[str],
    attributes: Mapping[str, Any],
    windows: Iterable[tuple[str, Duration]] = (),
) -> RequiredInputs:
    """Return the inputs that an entity with these observed properties and attributes must remember.

    `windows` are those that rules need besides: property and size.
    """
    observed = frozenset(properties)
    indicators = tuple(one for one in REGISTRY.values() if one.applies_to(observed, attributes))
    inputs = [one for indicator in indicators for one in indicator.inputs if one.property in observed]
    instants: dict[str, Duration] = {}
    for input in inputs:
        if input.averaging == "instant":
            instants[input.property] = max(input.history, instants.get(input.property, 0))
    averaged = {
        (one.property, averaging_window(one.averaging)) for one in inputs if one.averaging != "instant"
    }
    return RequiredInputs(
        observed,
        indicators,
        instants,
        frozenset(averaged | {one for one in windows if one[0] in observed}),
    )


def derived_interval(name: str) -> Duration:
    """Return the greatest time between two derived values; 0: that of the values it is derived from."""
    indicator = REGISTRY.get(name)
    if indicator is None:
        return HOUSEHOLD_WINDOW  # a sum of households
    return max(averaging_window(one.averaging) for one in indicator.inputs)


def indicator_value_from_storage(name: str, value: float, time: Instant, flags: int) -> IndicatorValue:
    """Return a stored indicator value. Its inputs are not stored, so any new value differs from it."""
    return IndicatorValue(value, time - derived_interval(name), flags, ())


def is_windowed(name: str) -> bool:
    """Return whether a derived value is computed from closed windows, and dated to their end."""
    return name in REGISTRY and derived_interval(name) > 0


def _derived_value(indicator: Indicator, value: IndicatorValue, failed_at: Instant | None) -> DerivedValue:
    interval = derived_interval(indicator.name)
    time = value.time + interval  # a window describes its end
    is_stale = failed_at is not None and failed_at > value.time
    return DerivedValue(
        indicator.name,
        value.value,
        time,
        value.flags,
        (),
        len(value.inputs),
        interval,
        LastGoodValue(value.value, time) if is_stale else None,
    )
