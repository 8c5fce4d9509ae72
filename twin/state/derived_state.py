"""Derived values of an entity: its indicators, and the published sums of its households.

Each indicator has a series: a point for each window, or each time, of its inputs (`derived_points`). When
inputs change, every point that they touch is computed again, and what changed is emitted: the newest as the
state, the others as amendments, with NaN where there is no value any more. So the series follows from the set
of inputs, not from when they arrived. Points that are older than the inputs in memory are left to a repair
from storage. An indicator whose inputs fail is emitted again with their flags.

The state is the newest point of the series, with the flags of the inputs that have failed since. So it
follows from the set of inputs, too. When all points are withdrawn, the state is withdrawn: its value is NaN.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from twin.indicators.indicator import Indicator, IndicatorValue, Input, InputValue
from twin.instant import INSTANT_MIN, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import LastGoodValue
from twin.model.observed_property import ObservedProperty
from twin.privacy.household_sum import HOUSEHOLD_WINDOW, HouseholdSum
from twin.quality.quality_flags import UNUSABLE_FLAGS, QualityFlag
from twin.state.derived_points import (
    BY_VALUE_TIME,
    RequiredInputs,
    ValueAt,
    instant_point,
    reach_of,
    windowed_point,
)
from twin.state.freshness import live_duration
from twin.state.window import Aggregate
from twin.state.window_history import NewestWindow, WindowHistory
from twin.wire.messages import Update

INSTANT_VALUES_MAX = 128
"""How many single values of an input are remembered for slopes: an hour of one a minute, with a margin."""

POINTS_MAX = 96
"""How many points of an indicator of single values are remembered, to know which of them change."""

HOUSEHOLD_VALUES_MAX = 36
"""How many published sums of a property are remembered: six hours, as of other windows of ten minutes."""

_INCOMPLETE = int(QualityFlag.INCOMPLETE)

_Values = Mapping[str, Sequence[InputValue]]


class DerivedValue(NamedTuple):
    """A derived value to emit."""

    name: str
    value: float  #: NaN: there is no value any more; in an amendment at this time
    phenomenon_time: Instant
    flags: int
    datastreams: tuple[int, ...]  #: of the cohort, for a sum of households
    weight: int  #: number of sensors or connections behind it
    interval: Duration  #: time between two values
    last_good: LastGoodValue | None = None  #: the value itself, when its inputs have failed since
    amends: bool = False  #: it is not the newest: only the series changes
    #: whether it is what the series has at this time; not when its inputs have failed
    in_series: bool = True


class SeriesSpan(NamedTuple):
    """Points of a series that cannot be computed from the inputs in memory."""

    name: str
    start: Instant  #: phenomenon time of the first; INSTANT_MIN: that of the first that storage has inputs of
    end: Instant  #: exclusive


class PointSummary(NamedTuple):
    """What was emitted as a point."""

    value: float
    flags: int
    weight: int


class DerivedSeries(msgspec.Struct, array_like=True):
    """The points of one indicator that were emitted, by the time of their newest input. Mutable."""

    points: dict[Instant, PointSummary] = msgspec.field(default_factory=dict)
    known_from: Instant = INSTANT_MIN  #: earlier points may have been emitted without being in `points`


class DerivedState(msgspec.Struct, array_like=True):
    """The inputs of an entity's derived values, and the last values. Mutable; goes into a checkpoint."""

    window_histories: dict[str, dict[Duration, WindowHistory]] = msgspec.field(default_factory=dict)
    #: of instant inputs, and of published sums by the start of their window; oldest first
    instant_values: dict[str, list[InputValue]] = msgspec.field(default_factory=dict)
    households: dict[str, HouseholdSum] = msgspec.field(default_factory=dict)
    emitted: dict[str, IndicatorValue] = msgspec.field(default_factory=dict)  #: as the newest
    changed: set[str] = msgspec.field(default_factory=set)  #: properties changed since the last derivation
    series: dict[str, DerivedSeries] = msgspec.field(default_factory=dict)  #: by indicator
    #: by property, the times from which single values changed since the last derivation
    changed_since: dict[str, Instant] = msgspec.field(default_factory=dict)
    #: by property and size, the windows that changed since the last derivation
    changed_windows: dict[str, dict[Duration, set[Instant]]] = msgspec.field(default_factory=dict)
    #: by property, its newest state where an indicator uses single values
    newest: dict[str, NewestWindow] = msgspec.field(default_factory=dict)
    values_from: dict[str, Instant] = msgspec.field(default_factory=dict)  #: earlier ones are not remembered
    spans: list[SeriesSpan] = msgspec.field(default_factory=list)  #: to be repaired from storage
    #: by indicator, the first point since a restart that lacks inputs: it is repaired when they suffice again
    #: or no more of them come
    deferred: dict[str, Instant] = msgspec.field(default_factory=dict)
    #: by property, until when (exclusive) single values changed too late to be remembered as they are
    missing_until: dict[str, Instant] = msgspec.field(default_factory=dict)

    def on_update(self, update: Update, required: RequiredInputs) -> None:
        """Note the newest state of a property, where an indicator needs its single values."""
        if update.property in required.instants:
            self.changed.add(update.property)
            self.newest[update.property] = NewestWindow(update.phenomenon_time, update.flags & UNUSABLE_FLAGS)

    def on_observed(self, property: str, since: Instant, required: RequiredInputs) -> None:
        """Note that the values of a property changed from a time on, where an indicator needs them."""
        if property in required.instants:
            self.changed.add(property)
            self.changed_since[property] = min(since, self.changed_since.get(property, since))

    def note_missing_value(self, property: str, time: Instant, required: RequiredInputs) -> None:
        """Note a value that only storage has as it is: it computes the points that the value touches."""
        if property in required.instants:
            self.missing_until[property] = max(time + 1, self.missing_until.get(property, INSTANT_MIN))

    def set_values(self, property: str, since: Instant, values: Sequence[InputValue]) -> None:
        """Replace the values of a property from a time on; values before the first of memory stay."""
        known = self.instant_values.get(property, [])
        while known and known[-1].time >= since:
            known.pop()
        known.extend(values)
        self.instant_values[property] = known
        self.changed.add(property)
        self.changed_since[property] = since

    def resume(self, required: RequiredInputs) -> None:
        """Continue after the newest windows and values were restored: only later points can be missing.

        Nothing older than what is restored is known. Every point up to the newest stored one is stored: what
        lies between that one and those in memory is left to a repair.
        """
        self.changed, self.changed_windows, self.changed_since = set(), {}, {}
        for property, histories in self.window_histories.items():
            for size, history in histories.items():
                history.forget(size)
                history.assume_forgotten()
                since = self._stored_until(property, size, required)
                starts = {start for start in history.windows if start > since}
                if starts:
                    self.changed_windows.setdefault(property, {})[size] = starts
                    self.changed.add(property)
        for property in required.instants & self.instant_values.keys():
            self.changed.add(property)
            stored = self._stored_until(property, 0, required)
            missing_from = stored + 1 if stored > INSTANT_MIN else INSTANT_MIN
            self.changed_since[property] = max(missing_from, self.values_from.get(property, INSTANT_MIN))
        for indicator in required.indicators:
            self._repair_before_memory(indicator, required)

    def _repair_before_memory(self, indicator: Indicator, required: RequiredInputs) -> None:
        """Leave the points between the newest stored one and those in memory to a repair.

        Without a stored point, these are all points of which storage has inputs.
        """
        name, size = indicator.name, required.sizes[indicator.name]
        last, last_end = self.emitted.get(name), INSTANT_MIN
        for input in indicator.inputs:
            if size:
                history = self.window_histories.get(input.property, {}).get(size)
                known_from = history.floor + 1 if history is not None else INSTANT_MIN
                reach = reach_of(indicator, size) - 1
            elif input.property in required.reach[name]:
                known_from = self.values_from.get(input.property, INSTANT_MIN)
                reach = required.reach[name][input.property]
            else:
                continue
            if known_from > INSTANT_MIN and (last is None or last.time < known_from):
                last_end = max(last_end, known_from + reach + 1)
        if last_end > INSTANT_MIN:
            start = last.time + size + 1 if last is not None else INSTANT_MIN
            self.spans.append(SeriesSpan(name, start, last_end))

    def _stored_until(self, property: str, size: Duration, required: RequiredInputs) -> Instant:
        """Return until when all points that a property's windows of a size touch are stored."""
        return min(
            (
                last.time if (last := self.emitted.get(one.name)) is not None else INSTANT_MIN
                for one in required.indicators
                if required.sizes[one.name] == size and any(each.property == property for each in one.inputs)
            ),
            default=INSTANT_MIN,
        )

    def leave_to_repair(
        self, property: str, since: Instant, complete_from: Instant, required: RequiredInputs
    ) -> None:
        """Leave the points to a repair that values from `since` on touch, up to those of `complete_from`."""
        for name, reach in required.reach.items():
            if property in reach:
                self.spans.append(SeriesSpan(name, since, complete_from + reach[property] + 1))

    def on_window(self, property: str, aggregate: Aggregate, required: RequiredInputs) -> None:
        """Remember a window of a property without personal data, where an indicator needs it."""
        size = aggregate.size
        if (property, size) not in required.windows:
            return
        histories = self.window_histories.setdefault(property, {})
        history = histories.get(size)
        if history is None:
            history = histories[size] = WindowHistory()
        if aggregate.start <= history.floor:
            self._repair_after(property, aggregate, required)
        if history.add(aggregate):
            self.changed.add(property)
            self.changed_windows.setdefault(property, {}).setdefault(size, set()).add(aggregate.start)

    def note_missing_windows(
        self, property: str, datastream: int, hour: Instant, required: RequiredInputs
    ) -> None:
        """Note that storage computes the windows of an hour: without them no point is computed here."""
        for name, size in required.windows:
            if name == property:
                histories = self.window_histories.setdefault(property, {})
                histories.setdefault(size, WindowHistory()).missing.add((datastream, hour))

    def on_repaired_window(self, property: str, aggregate: Aggregate, required: RequiredInputs) -> bool:
        """Replace a window that is in memory by a repaired one; return whether it is one of them.

        As in storage the later revision counts: a repair may have had fewer observations.

        The points that it touches are left to a repair: storage may have computed one from it without windows
        that are published here. When there is no value with these, nothing else would withdraw that point.
        """
        self._repair_after(property, aggregate, required)
        history = self.window_histories.get(property, {}).get(aggregate.size)
        if history is None:
            return False
        if aggregate.start <= history.floor:
            history.note_forgotten(aggregate.start)
            return False
        if history.is_outdated(aggregate):
            return False
        self.on_window(property, aggregate, required)
        return True

    def on_repaired_point(
        self, name: str, time: Instant, point: PointSummary, required: RequiredInputs
    ) -> bool:
        """Take over a point of a series that storage has computed, if it is the newest or a known one.

        Return whether it is new. `time` is the start of its window, or of a single value. It must be one
        that is not computed here (`is_left_to_storage`). NaN: storage has withdrawn the point.
        """
        points = self.series_of(name).points
        known = points.get(time)
        if math.isnan(point.value):
            if points.pop(time, None) is None:
                return False
            emitted = self.emitted.get(name)
            if emitted is not None and emitted.time == time:
                self.emitted[name] = _without_inputs(math.nan, time, 0, 0)
        elif point == known or (known is None and time < max(points, default=INSTANT_MIN)):
            return False
        else:
            points[time] = point
        self._note_changed_state(name, required)
        return True

    def _note_changed_state(self, name: str, required: RequiredInputs) -> None:
        """Let the state of an indicator be emitted where it differs; no window or value has changed."""
        indicator, size = next(one for one in required.indicators if one.name == name), required.sizes[name]
        for input in indicator.inputs:
            if input.property in required.observed:
                self.changed.add(input.property)
                if size:
                    self.changed_windows.setdefault(input.property, {}).setdefault(size, set())

    def note_withdrawn_state(self, name: str, time: Instant, required: RequiredInputs) -> bool:
        """Note that storage has withdrawn a point; return whether it may be the state that storage has.

        That is so where it is newer than all that are known here: the state was emitted before a crash. What
        follows from the inputs, or that there is nothing, is then emitted as the state.
        """
        known = self.emitted.get(name)
        if (known is not None and known.time >= time) or time in self.series_of(name).points:
            return False
        self.emitted[name] = _without_inputs(math.nan, time, 0, 0)
        self._note_changed_state(name, required)
        return True

    def is_left_to_storage(self, name: str, time: Instant, required: RequiredInputs) -> bool:
        """Whether a point of an indicator is not computed here: inputs of it are not in memory."""
        indicator = next((one for one in required.indicators if one.name == name), None)
        if indicator is None:
            return False
        inputs = [one for one in indicator.inputs if one.property in required.observed]
        return not self._has_all_inputs(indicator, inputs, time, required)

    def _floor_of(self, input: Input, size: Duration) -> Instant:
        """Return the start up to which windows of an input are not remembered."""
        if input.property in self.households:
            return self._complete_after(input, size)
        history = self.window_histories.get(input.property, {}).get(size)
        return history.floor if history is not None else INSTANT_MIN

    def _has_all_inputs(
        self, indicator: Indicator, inputs: Sequence[Input], time: Instant, required: RequiredInputs
    ) -> bool:
        """Whether all that a point is computed from is in memory. `time` is the start of its window."""
        size = required.sizes[indicator.name]
        if not size:
            reach = required.reach[indicator.name]
            known_from = (self._complete_from(one, reach[one.property]) for one in inputs)
            return all(one is None or time >= one for one in known_from)
        first = time - reach_of(indicator, size) + size
        # Before the windows in memory storage may have some that were never here.
        return time > max(self._floor_of(one, size) for one in inputs) and first > max(
            self._complete_after(one, size) for one in inputs
        )

    def _complete_after(self, input: Input, size: Duration) -> Instant:
        """Return the start after which every window of an input is in memory."""
        if input.property in self.households:
            return self.values_from.get(input.property, INSTANT_MIN + 1) - 1
        history = self.window_histories.get(input.property, {}).get(size)
        return history.complete_after if history is not None else INSTANT_MIN

    def _complete_from(self, input: Input, reach: Duration) -> Instant | None:
        """Return the time from which on points have all single values of an input; None: all of them."""
        known_from = self.values_from.get(input.property, INSTANT_MIN)
        begin = max(known_from, self.missing_until.get(input.property, INSTANT_MIN))
        if begin == INSTANT_MIN:
            return None
        if input.values_max:
            values = self.instant_values.get(input.property, [])
            later = values[bisect_left(values, begin, key=BY_VALUE_TIME) :]
            counting = [one.time for one in later if not one.flags & UNUSABLE_FLAGS]
            if len(counting) >= input.values_max:
                return min(begin + reach, counting[input.values_max - 1])
        return begin + reach

    def _lacks_value(self, property: str) -> bool:
        """Whether a single value of a property is missing among those in memory."""
        missing_until = self.missing_until.get(property, INSTANT_MIN)
        return missing_until > self.values_from.get(property, INSTANT_MIN)

    def series_of(self, name: str) -> DerivedSeries:
        """Return the points of an indicator that are known; that of its state, where none is in memory."""
        series = self.series.get(name)
        if series is None:
            series = self.series[name] = DerivedSeries()
            last = self.emitted.get(name)
            if last is not None:  # of a checkpoint or of storage, which do not hold the points before
                series.known_from = last.time
                # Where its inputs have failed since, the point is as it was before.
                flags = last.flags & ~UNUSABLE_FLAGS
                series.points[last.time] = PointSummary(last.value, flags, len(last.inputs))
        return series

    def _repair_after(self, property: str, aggregate: Aggregate, required: RequiredInputs) -> None:
        """Leave the points that a forgotten window touches to a repair."""
        for indicator in required.indicators:
            size = required.sizes[indicator.name]
            if size == aggregate.size and any(one.property == property for one in indicator.inputs):
                first = aggregate.start + size
                self.spans.append(
                    SeriesSpan(indicator.name, first, first + reach_of(indicator, size) - size + 1)
                )

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
        """Return the values that are new at the log time `now`, amendments of a series before its newest."""
        values = self._published_sums(model, entity, required, now)
        if not self.changed:
            return values
        changed, self.changed = self.changed, set()
        attributes = model.entities[entity].attributes if entity in model.entities else {}
        windows = _WindowValues(self, model)
        for indicator in required.indicators:
            if self._affects(changed, indicator, required.sizes[indicator.name]):
                evaluation = _Evaluation(self, indicator, attributes, windows, required)
                values += evaluation.changes()
        self._forget(required)
        return values

    def _affects(self, changed: set[str], indicator: Indicator, size: Duration) -> bool:
        """Whether changed properties are inputs of an indicator of windows of a size; 0: of single values."""
        for input in indicator.inputs:
            property = input.property
            if property in changed and (
                not size or property in self.households or size in self.changed_windows.get(property, ())
            ):
                return True
        return False

    def end_deferral(
        self, interval: Duration, required: RequiredInputs, now: Instant, *, is_closing: bool
    ) -> None:
        """Leave points that wait for more values of their inputs to a repair, when no more may come.

        That is so when the log closes, or when no input was observed for as long as a value is live at the
        shortest `interval` of the sensors.
        """
        for name, start in list(self.deferred.items()):
            known = (self.instant_values.get(one) for one in required.reach.get(name, ()))
            newest = max((values[-1].time for values in known if values), default=INSTANT_MIN)
            if is_closing or now >= newest + live_duration(interval):
                del self.deferred[name]
                self.spans.append(SeriesSpan(name, start, newest + 1))

    def take_spans(self) -> list[SeriesSpan]:
        """Return the spans to repair from storage, each once, and forget them."""
        spans, self.spans = list(dict.fromkeys(self.spans)), []
        return spans

    def _forget(self, required: RequiredInputs) -> None:
        """Forget inputs and points that are too old by now."""
        for property, sizes in self.changed_windows.items():
            for size in sizes:
                history = self.window_histories.get(property, {}).get(size)
                if history is not None:
                    history.forget(size)
        for property in self.changed_since:
            values = self.instant_values.get(property, [])
            size_max = HOUSEHOLD_VALUES_MAX if property in self.households else INSTANT_VALUES_MAX
            if len(values) > size_max:
                self.values_from[property] = values[-size_max].time
                del values[:-size_max]
        self.changed_windows, self.changed_since = {}, {}

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
                    value = InputValue(total.value, total.window, total.flags, total.count)
                    self.instant_values.setdefault(name, []).append(value)
                    self.changed.add(name)
                    self.changed_since.setdefault(name, total.window)
        return values

    def _failure(self, input: Input, size: Duration, model: CityModel) -> NewestWindow | None:
        """Return the newest value or window of an input where it is not usable; None where it is."""
        if input.property in self.households:
            return None
        if size:
            history = self.window_histories.get(input.property, {}).get(size)
            return history.failure(model.properties[input.property], size) if history is not None else None
        newest = self.newest.get(input.property)
        return newest if newest is not None and newest.failure_flags else None

    def _values(self, input: Input, size: Duration, model: CityModel) -> list[InputValue]:
        if not size or input.property in self.households:
            return self.instant_values.get(input.property, [])
        history = self.window_histories.get(input.property, {}).get(size)
        return history.values(model.properties[input.property]) if history is not None else []


class _WindowValues:
    """The values of inputs in windows, each computed once for all indicators."""

    def __init__(self, state: DerivedState, model: CityModel) -> None:
        self.model = model
        self._state = state
        self._known: dict[tuple[str, Duration], ValueAt] = {}

    def of(self, property: str, size: Duration) -> ValueAt:
        """Return a function that returns the value of a property by the start of its window."""
        known = self._known.get((property, size))
        if known is None:
            known = self._known[property, size] = self._value_at(property, size)
        return known

    def _value_at(self, property: str, size: Duration) -> ValueAt:
        if property in self._state.households:
            return {one.time: one for one in self._state.instant_values.get(property, [])}.get
        history = self._state.window_histories.get(property, {}).get(size)
        if history is None:
            return lambda start: None
        return _HistoryValues(history, self.model.properties[property], size).__getitem__


class _HistoryValues(dict[Instant, InputValue | None]):
    """The values of the windows of a history that were looked up."""

    def __init__(self, history: WindowHistory, property: ObservedProperty, size: Duration) -> None:
        self._history = history
        self._property = property
        self._size = size

    def __missing__(self, start: Instant) -> InputValue | None:
        value = self[start] = self._history.value(start, self._property, self._size)
        return value


class _Evaluation:
    """The evaluation of one indicator after its inputs changed."""

    def __init__(
        self,
        state: DerivedState,
        indicator: Indicator,
        attributes: Mapping[str, Any],
        windows: _WindowValues,
        required: RequiredInputs,
    ) -> None:
        self._state = state
        self._indicator = indicator
        self._attributes = attributes
        self._model = windows.model
        self._size = required.sizes[indicator.name]
        self._inputs = [one for one in indicator.inputs if one.property in required.observed]
        self._series = state.series_of(indicator.name)
        size = self._size
        self._windows = {one.property: windows.of(one.property, size) for one in self._inputs} if size else {}
        self._required = required

    def changes(self) -> list[DerivedValue]:
        """Return what changes in the series and in its newest value."""
        series, name = self._series, self._indicator.name
        # Not behind the evaluation: what it amends is read beside the other points of its slot.
        if len(series.points) > POINTS_MAX or self._size:
            self._forget_points()
        found = self._changed_points(self._touched_windows() if self._size else self._touched_instants())
        emitted = self._state.emitted.get(name)
        newest = max(series.points, default=None)
        if emitted is not None and (newest is None or newest < emitted.time):
            newest = self._restored_newest(newest, min(emitted.time, series.known_from))
        current = None
        if newest is not None:
            current = found.get(newest) or self._known_point(newest)
        elif emitted is not None and emitted.time < series.known_from and not math.isnan(emitted.value):
            # Of a checkpoint of version 0.1.
            current = emitted._replace(flags=emitted.flags & ~UNUSABLE_FLAGS)
        values = []
        if current is None:
            if emitted is not None:
                del self._state.emitted[name]
                if series.known_from > INSTANT_MIN:  # Storage tells an earlier point that is not known here.
                    self._request(emitted.time)
                withdrawn = IndicatorValue(math.nan, emitted.time, _INCOMPLETE, ())
                found.pop(emitted.time, None)
                values.append(self._derived_value(withdrawn))
        else:
            failure = self._failure_after(current)
            flags = current.flags if failure is None else failure.failure_flags | current.flags
            published = current._replace(flags=flags)
            if published != emitted:
                self._state.emitted[name] = published
                newest_value = self._derived_value(published)
                if found.get(published.time) is None:
                    self._repair_repeated(published.time)
                if failure is None:
                    found.pop(published.time, None)
                else:
                    good = LastGoodValue(published.value, newest_value.phenomenon_time)
                    newest_value = newest_value._replace(last_good=good, in_series=False)
                values.append(newest_value)
        values[:0] = [self._amendment(time, value) for time, value in found.items()]
        return values

    def _repair_repeated(self, time: Instant) -> None:
        """Request a point that is emitted as it is known, without all of its inputs in memory.

        Storage may have computed another one since: it would be replaced by this one, which is later.
        """
        if not self._state._has_all_inputs(self._indicator, self._inputs, time, self._required):
            self._request(time)

    def _request(self, time: Instant) -> None:
        first = time + self._size
        self._state.spans.append(SeriesSpan(self._indicator.name, first, first + 1))

    def _changed_points(self, touched: Sequence[Instant]) -> dict[Instant, IndicatorValue | None]:
        """Compute points again; return those that changed, with None where there is no value any more."""
        points, known_from = self._series.points, self._series.known_from
        found: dict[Instant, IndicatorValue | None] = {}
        for time in touched:
            value = self._point(time)
            known = points.get(time)
            if value is None:
                if known is not None or time < known_from:
                    points.pop(time, None)
                    found[time] = None
                continue
            summary = PointSummary(value.value, value.flags, len(value.inputs))
            # Storage may have computed a point from single values that came and went within a second.
            if summary != known or not self._size:
                points[time] = summary
                found[time] = value
        return found

    def _restored_newest(self, newest: Instant | None, end: Instant) -> Instant | None:
        """Return the newest point when later ones are withdrawn; it may not be known since a restart."""
        times: set[Instant] = set()
        for input in self._inputs:
            history = self._state.window_histories.get(input.property, {}).get(self._size)
            if self._size and history is not None:
                times.update(history.windows)
            elif not self._size or input.property in self._state.households:
                times.update(one.time for one in self._state.instant_values.get(input.property, ()))
        for time in sorted((one for one in times if one < end), reverse=True):
            if newest is not None and time <= newest:
                break
            if not self._state._has_all_inputs(self._indicator, self._inputs, time, self._required):
                break
            value = self._point(time)
            if value is not None:
                self._series.points[time] = PointSummary(value.value, value.flags, len(value.inputs))
                return time
        return newest

    # -- points of windows ------------------------------------------------------------------------------

    def _touched_windows(self) -> list[Instant]:
        """Return the windows whose points may change; leave those without all inputs to a repair."""
        size, reach = self._size, reach_of(self._indicator, self._size)
        changed: set[Instant] = set()
        starts: set[Instant] = set()
        complete_after = max(self._state._complete_after(one, size) for one in self._inputs)
        for input in self._inputs:
            property = input.property
            if property in self._state.households:
                since = self._state.changed_since.get(property)
                values = self._state.instant_values.get(property, [])
                if since is not None:
                    changed.update(one.time for one in values if one.time >= since)
                continue
            changed |= self._state.changed_windows.get(property, {}).get(size, set())
            history = self._state.window_histories.get(property, {}).get(size)
            if history is not None and reach > size:
                starts.update(history.windows)
        if not changed:
            return []
        if reach > size:
            first, last = min(changed), max(changed) + reach
            starts.update(self._series.points)
            changed = {
                one
                for one in starts
                if first <= one < last and any(window <= one < window + reach for window in changed)
            }
        computable = []
        for start in sorted(changed):
            if start - reach + size > complete_after:
                computable.append(start)
            else:
                self._state.spans.append(SeriesSpan(self._indicator.name, start + size, start + size + 1))
        return computable

    def _point(self, time: Instant) -> IndicatorValue | None:
        if self._size:
            return windowed_point(self._indicator, self._size, time, self._windows, self._attributes)
        values = {one.property: self._state.instant_values.get(one.property, ()) for one in self._inputs}
        reach = self._required.reach[self._indicator.name]
        return instant_point(self._indicator, time, values, reach, self._attributes)

    def _known_point(self, time: Instant) -> IndicatorValue | None:
        """Return a point that did not change; from inputs in memory only as long as all of them are there."""
        value, known = self._point(time), self._series.points[time]
        if value is not None and self._state._has_all_inputs(
            self._indicator, self._inputs, time, self._required
        ):
            return value
        emitted = self._state.emitted.get(self._indicator.name)
        if emitted is None or emitted.time != time:
            emitted = value or _without_inputs(known.value, time, known.flags, known.weight)
        return emitted._replace(value=known.value, flags=known.flags)

    # -- points of single values ------------------------------------------------------------------------

    def _touched_instants(self) -> list[Instant]:
        """Return the times whose points may change; ask for a repair of those without all inputs."""
        state, name = self._state, self._indicator.name
        reach = self._required.reach[name]
        since = min(
            (
                state.changed_since[one.property]
                for one in self._inputs
                if one.property in state.changed_since
            ),
            default=None,
        )
        if since is None:
            return []
        times = {time for time in self._series.points if time >= since}
        for input in self._inputs:
            for value in reversed(state.instant_values.get(input.property, [])):
                if value.time < since:
                    break
                times.add(value.time)
        if since == INSTANT_MIN and times:  # what lies before those in memory is repaired in any case
            since = min(times)
        for input in self._inputs:
            complete_from = state._complete_from(input, reach[input.property])
            if complete_from is None:
                continue
            if since >= complete_from:
                if name in state.deferred:
                    state.spans.append(SeriesSpan(name, state.deferred.pop(name), since))
            elif times <= {since} and not state._lacks_value(input.property):
                # in order after a restart: one repair for all, once the inputs suffice
                state.deferred.setdefault(name, since)
            else:
                state.spans.append(SeriesSpan(name, since, min(complete_from, max(times, default=since)) + 1))
        return sorted(times)

    def _forget_points(self) -> None:
        """Forget the points that can never be computed again in memory, except the newest of them.

        That one is the state when all later ones are withdrawn.
        """
        points = self._series.points
        if self._size:
            floor = max(self._state._floor_of(one, self._size) for one in self._inputs)
        else:
            floor = sorted(points)[-POINTS_MAX // 2] - 1
        if floor > self._series.known_from:
            self._series.known_from = floor + 1
            for time in sorted(one for one in points if one <= floor)[:-1]:
                del points[time]

    # -- the newest value -------------------------------------------------------------------------------

    def _failure_after(self, current: IndicatorValue) -> NewestWindow | None:
        """Return the failure of inputs without which there is no value after the newest point.

        It is emitted at once, without waiting for any timeout.
        """
        state, indicator, size = self._state, self._indicator, self._size
        failed: dict[str, NewestWindow] = {}
        for input in self._inputs:
            failure = state._failure(input, size, self._model)
            if failure is not None:
                failed[input.property] = failure
        if not failed:
            return None
        inputs: dict[str, Sequence[InputValue]] = {
            one.property: state._values(one, size, self._model) for one in self._inputs
        }
        if indicator.evaluate({**inputs, **dict.fromkeys(failed, ())}, self._attributes) is not None:
            return None
        flags = 0
        for failure in failed.values():
            flags |= failure.failure_flags
        return NewestWindow(min(failure.start for failure in failed.values()), flags)

    def _derived_value(self, value: IndicatorValue, *, amends: bool = False) -> DerivedValue:
        size = self._size  # a window describes its end
        return DerivedValue(
            self._indicator.name,
            value.value,
            value.time + size,
            value.flags,
            (),
            len(value.inputs),
            size,
            amends=amends,
        )

    def _amendment(self, time: Instant, value: IndicatorValue | None) -> DerivedValue:
        if value is None:
            value = IndicatorValue(math.nan, time, 0, ())
        return self._derived_value(value, amends=True)


def indicator_value_from_storage(update: Update, interval: Duration) -> IndicatorValue:
    """Return a stored indicator value. Its inputs are not stored, so any new value differs from it."""
    return _without_inputs(update.value, update.phenomenon_time - interval, update.flags, update.count)


def _without_inputs(value: float, time: Instant, flags: int, weight: int) -> IndicatorValue:
    """Return a value of which only the number of inputs is known."""
    return IndicatorValue(value, time, flags, ("",) * weight)
