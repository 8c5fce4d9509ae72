"""What an indicator is: a value that an entity has because of what is measured on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from twin.indicators.validity import is_valid
from twin.instant import Duration, Instant
from twin.model.bilingual_text import BilingualText
from twin.model.observed_property import RollUp, Theme
from twin.quality.quality_flags import is_usable

Averaging: TypeAlias = Literal["instant", "ten_minutes", "hour", "day"]
"""Which value of a property goes in: the newest measured one, or the aggregate of a closed window."""

Need: TypeAlias = Literal["required", "optional", "first", "if_given", "sole"]
"""What becomes of an indicator without one of its inputs.

`required`: no value without it. `optional`: counts where it is usable. `first`: of all inputs marked so, the
first usable one is taken. `if_given`: the entity need not have it, but where it has, there is no value
without it. `sole`: where the entity has it, it alone counts, and the others are for entities that have not.
"""


class InputValue(NamedTuple):
    """One value of a property of an entity, in the property's canonical unit.

    For a window it is what the property's `aggregation` says: a mean of concentrations, the sum of counts.
    """

    value: float
    time: Instant  #: phenomenon time; of a window its start
    flags: int = 0  #: `twin.quality.quality_flags.QualityFlag`
    count: int = 1  # type: ignore[assignment]  #: how many observations it is made of
    coverage: float = 1.0  #: measured share of the window, 0 to 1


class IndicatorValue(NamedTuple):
    """A value of an indicator."""

    value: float
    time: Instant  #: of the newest input
    flags: int  #: all flags of the inputs
    inputs: tuple[str, ...]  #: properties that it was computed from


Inputs: TypeAlias = Mapping[str, InputValue | Sequence[InputValue]]
"""By property: the newest value, or, for an input with a history, its values in any order.

A property that the entity does not observe is absent. One that it observes is always here: as it is where its
value is not good, and as an empty sequence where it has no value yet.
"""

UsableInputs: TypeAlias = Mapping[str, tuple[InputValue, ...]]
"""What a formula gets: only usable values, by property, oldest first; one value where there is no history."""

Attributes: TypeAlias = Mapping[str, Any]
"""What the city's model says of the entity."""

Formula: TypeAlias = Callable[[UsableInputs, Attributes], float | None]
"""Computes the value; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A property that an indicator is computed from."""

    property: str
    averaging: Averaging
    need: Need = "required"
    history: Duration = 0  #: how far back values are needed; 0 for the newest alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """A derived value, and how it is derived."""

    name: str
    unit: str  #: UCUM
    theme: Theme
    title: BilingualText
    inputs: tuple[Input, ...]
    attributes: tuple[str, ...] = ()  #: that an entity must have
    roll_up: RollUp
    same_time: bool = False  #: whether inputs count only at the time of the newest of them
    formula: Formula
    formula_text: str  #: the formula, for people
    source: str  #: where it comes from

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
        """Return the value that the inputs give, or None when they give none.

        Values that are suspect, under maintenance or (of windows) less than 75 % covered never count.
        """
        given = self._given(inputs)
        if not given:
            return None
        value = self.formula(given, attributes)
        if value is None or not math.isfinite(value):
            return None
        flags = 0
        for values in given.values():
            for one in values:
                flags |= one.flags
        newest = max(values[-1].time for values in given.values())
        return IndicatorValue(value, newest, flags, tuple(given))

    def _given(self, inputs: Inputs) -> dict[str, tuple[InputValue, ...]] | None:
        """Return the usable values; None when one is missing that the indicator needs."""
        for one in self.inputs:
            if one.need == "sole" and one.property in inputs:
                values = _usable(one, inputs)
                return {one.property: values} if values else None
        usable = {one.property: values for one in self.inputs if (values := _usable(one, inputs))}
        if self.same_time and usable:
            newest = max(values[-1].time for values in usable.values())
            usable = {name: values for name, values in usable.items() if values[-1].time == newest}
        given: dict[str, tuple[InputValue, ...]] = {}
        has_first = False
        for one in self.inputs:
            values = usable.get(one.property, ())
            if not values:
                if one.need == "required" or (one.need == "if_given" and one.property in inputs):
                    return None
                continue
            if one.need == "first":
                if has_first:
                    continue
                has_first = True
            given[one.property] = values
        return given


def _usable(one: Input, inputs: Inputs) -> tuple[InputValue, ...]:
    """Return what may count of an input, oldest first; of two values of one time the later given."""
    found = inputs.get(one.property)
    if found is None:
        return ()
    if isinstance(found, InputValue):
        return (found,) if _counts(one, found) else ()
    by_time = {value.time: value for value in found if _counts(one, value)}
    ordered = [by_time[time] for time in sorted(by_time)]
    if not one.history:
        return tuple(ordered[-1:])
    return tuple(value for value in ordered if _reaches(one, ordered[-1].time - value.time))


def _counts(one: Input, value: InputValue) -> bool:
    if not is_usable(value.flags) or value.count < 1:
        return False
    return one.averaging == "instant" or is_valid(value.coverage)


def _reaches(one: Input, age: Duration) -> bool:
    """Windows fill the history without its beginning; an instant at the very beginning still counts."""
    return age <= one.history if one.averaging == "instant" else age < one.history


def newest(given: UsableInputs, property: str) -> float | None:
    """Return the newest usable value of a property, or None."""
    values = given.get(property)
    return values[-1].value if values else None


def number(attributes: Attributes, name: str) -> float | None:
    """Return an attribute that is a finite number, or None when it is absent or anything else."""
    found = attributes.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return float(found)


def by_name(indicators: Iterable[Indicator]) -> dict[str, Indicator]:
    """Return indicators by their name; raise ValueError when two have the same."""
    found: dict[str, Indicator] = {}
    for one in indicators:
        if one.name in found:
            raise ValueError(f"indicator {one.name!r} is declared twice; give one of them another name")
        found[one.name] = one
    return found
