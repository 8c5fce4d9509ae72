"""Observed properties of a city folder: the city's own, and its changes to built-in ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from cities.files.items import Items
from cities.files.schema import (
    IsolatedItem,
    Item,
    NullValuesItem,
    PropertyItem,
    QualityItem,
    RetentionItem,
    SpikeItem,
    StuckItem,
    ValidWhenItem,
)
from cities.model.validity import validity_faults
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Retention
from twin.quality.quality_rules import (
    TIME_RULES_ONLY,
    IsolatedRule,
    NullValueRule,
    QualityRules,
    SpikeRule,
    StuckRule,
)
from twin.quality.valid_when import ValidWhen

_REQUIRED = ("unit", "theme", "minimum", "maximum")
_FIXED = (*_REQUIRED, "combination", "aggregation")

# The rules of `quality` that are mappings, by their key, and their items.
_RULES: Mapping[str, type] = {
    "spike": SpikeRule,
    "isolated": IsolatedRule,
    "null_values": NullValueRule,
    "stuck": StuckRule,
    "valid_when": ValidWhen,
}
_RULE_ITEMS: Mapping[type, type[Item]] = {
    SpikeRule: SpikeItem,
    IsolatedRule: IsolatedItem,
    NullValueRule: NullValuesItem,
    StuckRule: StuckItem,
    ValidWhen: ValidWhenItem,
}


def check_properties(items: Items[PropertyItem]) -> None:
    """Add the faults between the keys of a property, and against the built-in properties."""
    for entry, location in items.entries:
        name = entry.get("name")
        if isinstance(name, str) and name in BUILT_IN_PROPERTIES:
            fixed = [key for key in _FIXED if key in entry]
            if fixed:
                items.add_fault(
                    (*location, "name"),
                    f"{name} is built in and cannot be redefined: found {', '.join(fixed)}, expected only "
                    "quality, retention, rollUp, wrapsAt, coverageMin and ageMax; leave them out, or choose "
                    "another name",
                )
        else:
            for key in _REQUIRED:
                if entry.get(key) is None:
                    items.add_fault((*location, key), "key is missing")
    for item, location in items.placed:
        if _is_complete(item):
            for steps, message in _faults(item, _planned(item)):
                items.add_fault((*location, *steps), message)


def _is_complete(item: PropertyItem) -> bool:
    return item.name in BUILT_IN_PROPERTIES or None not in (item.unit, item.theme, item.minimum, item.maximum)


def _faults(item: PropertyItem, planned: ObservedProperty) -> Iterator[tuple[tuple[str, ...], str]]:
    if planned.minimum >= planned.maximum:
        yield ("maximum",), f"found {planned.maximum:g}, expected more than {planned.minimum:g}"
    low, high = planned.quality.minimum, planned.quality.maximum
    if low is not None and high is not None and low >= high:
        yield ("quality", "maximum"), f"found {high:g}, expected more than {low:g}"
    if item.quality is not None and item.quality.valid_when is not None:
        for key, message in validity_faults(item.quality.valid_when):
            yield ("quality", "validWhen", key), message
    retention = planned.retention
    for coarser, longer, finer, shorter in (
        ("minute", retention.minute, "raw", retention.raw),
        ("hour", retention.hour, "minute", retention.minute),
    ):
        if longer < shorter:
            yield ("retention", coarser), f"{coarser} is kept for less time than {finer}, which is finer"
    if item.wraps_at is not None and planned.aggregation != "counter":
        yield (
            ("wrapsAt",),
            f"only a counter starts again at 0; {item.name} aggregates by {planned.aggregation}",
        )


def to_properties(items: Items[PropertyItem]) -> tuple[ObservedProperty, ...]:
    """Return the observed properties of complete items; a built-in property keeps what its item lacks."""
    return tuple(_planned(item) for item, _ in items.placed if _is_complete(item))


def _planned(item: PropertyItem) -> ObservedProperty:
    built_in = BUILT_IN_PROPERTIES.get(item.name)
    if built_in is None:
        own = {key: getattr(item, key) for key in ("name", *_FIXED)}
        base = ObservedProperty(**own)
    else:
        base = built_in
    return replace(
        base,
        quality=_quality(item.quality, base.quality),
        retention=_retention(item.retention, base.retention),
        roll_up=item.roll_up if "roll_up" in item.model_fields_set else base.roll_up,
        wraps_at=item.wraps_at if "wraps_at" in item.model_fields_set else base.wraps_at,
        coverage_min=item.coverage_min if "coverage_min" in item.model_fields_set else base.coverage_min,
        age_max=item.age_max if "age_max" in item.model_fields_set else base.age_max,
    )


def _quality(item: QualityItem | None, base: QualityRules) -> QualityRules:
    if item is None:
        return base
    named: dict[str, Any] = {key: getattr(item, key) for key in item.model_fields_set}
    for key, rule in _RULES.items():
        rule_item: Item | None = getattr(item, key)
        if rule_item is not None:
            written = {name: getattr(rule_item, name) for name in type(rule_item).model_fields}
            named[key] = rule(**{name: _as_tuple(value) for name, value in written.items()})
    return replace(base, **named)


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _retention(item: RetentionItem | None, base: Retention) -> Retention:
    return (
        base if item is None else replace(base, **{key: getattr(item, key) for key in item.model_fields_set})
    )


def own_properties(properties: Mapping[str, ObservedProperty]) -> list[ObservedProperty]:
    """Return the properties of a model that its city defines or changes, by name."""
    return [one for name, one in sorted(properties.items()) if one != BUILT_IN_PROPERTIES.get(name)]


def from_property(property: ObservedProperty) -> PropertyItem:
    """Return the item of a property, to be written: all of the city's own, the changes to a built-in one."""
    built_in = BUILT_IN_PROPERTIES.get(property.name)
    fixed = {key: getattr(property, key) for key in _FIXED} if built_in is None else {}
    base = built_in or replace(
        property,
        quality=TIME_RULES_ONLY,
        retention=Retention(),
        roll_up="none",
        wraps_at=None,
        coverage_min=None,
        age_max=None,
    )
    changes = {
        key: getattr(property, key)
        for key in ("roll_up", "wraps_at", "coverage_min", "age_max")
        if getattr(property, key) != getattr(base, key)
    }
    quality = _changed_fields(property.quality, base.quality)
    retention = _changed_fields(property.retention, base.retention)
    return PropertyItem.of(
        (*fixed, *changes),
        name=property.name,
        **fixed,
        quality=QualityItem.of(quality, **quality) if quality else None,
        retention=RetentionItem.of(retention, **retention) if retention else None,
        **changes,
    )


def _changed_fields(value: QualityRules | Retention, base: QualityRules | Retention) -> dict[str, Any]:
    """Return the fields, by name, in which a value differs from its base; rules as items."""
    changed: dict[str, Any] = {}
    for field in fields(value):
        match getattr(value, field.name):
            case own if own == getattr(base, field.name):
                continue
            case SpikeRule() | IsolatedRule() | NullValueRule() | StuckRule() | ValidWhen() as rule:
                written = {name: _as_list(one) for name, one in asdict(rule).items()}
                changed[field.name] = _RULE_ITEMS[type(rule)].of(**written)
            case own:
                changed[field.name] = own
    return changed
