"""Indicators: values of an entity that are computed from its measured properties."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from twin.indicators.validity import COVERAGE_MIN
from twin.instant import Duration, Instant
from twin.model.bilingual_text import BilingualText
from twin.model.observed_property import RollUp, Theme
from twin.quality.quality_flags import UNUSABLE_FLAGS

Averaging: TypeAlias = Literal["instant", "ten_minutes", "hour", "day"]
"""Which value of a property is used: the newest measured one, or the aggregate of a closed window."""

Need: TypeAlias = Literal["required", "optional", "first", "if_given", "sole"]
"""How an indicator depends on one of its inputs.

- `required`: without it there is no value.
- `optional`: it counts if it is usable.
- `first`: of all inputs marked so, the first usable one counts.
- `if_given`: an entity may lack it; if the entity observes it, there is no value without it.
- `sole`: if the entity observes it, it alone counts; the other inputs are for entities that do not.
"""


class InputValue(NamedTuple):
    """One value of a property of an entity, in the property's canonical unit.

    For a window it is the aggregate by the property's `aggregation`: a mean of concentrations, a sum of
    counts.
    """

    value: float
    time: Instant  #: phenomenon time; of a window its start
    flags: int = 0  #: `twin.quality.quality_flags.QualityFlag`
    count: int = 1  # type: ignore[assignment]  #: number of observations in it
    coverage: float = 1.0  #: measured share of the window, 0 to 1
    window: Duration = 0  #: length of the window; 0: a single value


class IndicatorValue(NamedTuple):
    """A value of an indicator."""

    value: float
    time: Instant  #: of the newest input
    flags: int  #: all flags of the inputs
    inputs: tuple[str, ...]  #: the properties that it was computed from


Inputs: TypeAlias = Mapping[str, InputValue | Sequence[InputValue]]
"""By property: the newest value, or, for an input with a history, its values in any order.

A property that the entity does not observe is absent. A property that it observes is always present: also if
its value is not good, and as an empty sequence if it has no value yet.
"""

UsableInputs: TypeAlias = Mapping[str, tuple[InputValue, ...]]
"""What a formula receives: usable values by property, oldest first; one value for inputs without history."""

Attributes: TypeAlias = Mapping[str, Any]
"""The attributes of the entity in the city's model."""

Formula: TypeAlias = Callable[[UsableInputs, Attributes], float | None]
"""Computes the value; None if the inputs have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A property that an indicator is computed from."""

    property: str
    averaging: Averaging
    need: Need = "required"
    history: Duration = 0  #: how far back values are needed; 0: the newest alone
    values_max: int = 0  #: how many of the newest usable values in `history` count; 0: all


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """The definition of a derived value."""

    name: str
    unit: str  #: UCUM
    theme: Theme
    title: BilingualText
    inputs: tuple[Input, ...]
    attributes: tuple[str, ...] = ()  #: attributes that an entity must have
    roll_up: RollUp
    same_time: bool = False  #: whether inputs count only at the time of the newest of them
    formula: Formula
    formula_text: str  #: the formula as readers see it
    source: str  #: the publication behind the formula

    def applies_to(self, properties: Collection[str], attributes: Attributes) -> bool:
        """Whether an entity with these observed properties and attributes can have the indicator."""
        if not all(name in attributes for name in self.attributes):
            return False
        required = [one.property for one in self.inputs if one.need == "required"]
        others = [one.property for one in self.inputs if one.need == "sole" or not required]
        return any(name in properties for name in others) or (
            bool(required) and all(name in properties for name in required)
        )

    def evaluate(self, inputs: Inputs, attributes: Attributes) -> IndicatorValue | None:
        """Return the value for the inputs, or None if they have none.

        Suspect values, values under maintenance and windows that are less than 75 % covered never count.
        """
        usable = self._usable_inputs(inputs)
        if not usable:
            return None
        value = self.formula(usable, attributes)
        if value is None or not math.isfinite(value):
            return None
        flags = 0
        for values in usable.values():
            for item in values:
                flags |= item.flags
        newest = max(values[-1].time for values in usable.values())
        return IndicatorValue(value, newest, flags, tuple(usable))

    def _usable_inputs(self, inputs: Inputs) -> dict[str, tuple[InputValue, ...]] | None:
        """Return the usable values; None if an input is missing that the indicator needs."""
        for item in self.inputs:
            if item.need == "sole" and item.property in inputs:
                values = _usable(item, inputs[item.property])
                return {item.property: values} if values else None
        usable: dict[str, tuple[InputValue, ...]] = {}
        for item in self.inputs:
            given = inputs.get(item.property)
            if given and (values := _usable(item, given)):
                usable[item.property] = values
        if self.same_time and usable:
            newest = max(values[-1].time for values in usable.values())
            usable = {name: values for name, values in usable.items() if values[-1].time == newest}
        chosen: dict[str, tuple[InputValue, ...]] = {}
        has_first = False
        for item in self.inputs:
            values = usable.get(item.property, ())
            if not values:
                if item.need == "required" or (item.need == "if_given" and item.property in inputs):
                    return None
                continue
            if item.need == "first":
                if has_first:
                    continue
                has_first = True
            chosen[item.property] = values
        return chosen


def _usable(item: Input, values: InputValue | Sequence[InputValue]) -> tuple[InputValue, ...]:
    """Return the usable values of an input, oldest first; of two values of one time the later given."""
    if isinstance(values, InputValue):
        values = (values,)
    # Without calls of is_usable() and is_valid(): there are 24 values for each running mean.
    coverage_min = 0.0 if item.averaging == "instant" else COVERAGE_MIN
    usable = [
        one
        for one in values
        if not one.flags & UNUSABLE_FLAGS and one.count >= 1 and one.coverage >= coverage_min
    ]
    times = [one.time for one in usable]
    if sorted(set(times)) != times:
        by_time = dict(zip(times, usable, strict=True))
        usable = [by_time[time] for time in sorted(by_time)]
    if not item.history:
        return tuple(usable[-1:])
    if usable and not _is_within_history(item, usable[-1].time - usable[0].time):
        usable = [one for one in usable if _is_within_history(item, usable[-1].time - one.time)]
    return tuple(usable[-item.values_max :])  # 0: all of them


def _is_within_history(item: Input, age: Duration) -> bool:
    """Whether a value of an age lies in the history: an instant on its boundary does, a window does not."""
    return age <= item.history if item.averaging == "instant" else age < item.history


def newest(inputs: UsableInputs, property: str) -> float | None:
    """Return the newest usable value of a property, or None."""
    values = inputs.get(property)
    return values[-1].value if values else None


def number(attributes: Attributes, name: str) -> float | None:
    """Return an attribute as a finite number, or None if it is absent or no finite number."""
    found = attributes.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return float(found)


def by_name(indicators: Iterable[Indicator]) -> dict[str, Indicator]:
    """Return indicators by their name. Raises ValueError if two have the same name."""
    found: dict[str, Indicator] = {}
    for indicator in indicators:
        if indicator.name in found:
            raise ValueError(f"indicator {indicator.name!r} is declared twice; give one of them another name")
        found[indicator.name] = indicator
    return found
