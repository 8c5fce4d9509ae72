"""Calibrations and maintenance in a city folder: cross-checked, and as the plan has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from cities.files.items import Items, PlacedItem, suggestion
from cities.files.schema import CalibrationItem, MaintenanceItem, SensorItem
from cities.model.entities import ReferenceCheck
from twin.instant import INSTANT_MAX, Instant, format_instant
from twin.model.calibration import Calibration, Maintenance


def check_calibrations(
    items: Items[CalibrationItem], sensors: Items[SensorItem], properties: Iterable[str]
) -> None:
    """Add to the items' faults what only shows against each other and the rest of the city."""
    _check_sensors(items, sensors)
    known = frozenset(properties)
    observed = _observed(sensors)
    for entry, location in items.entries:
        name, sensor = entry.get("property"), entry.get("sensor")
        if not isinstance(name, str):
            continue
        if name not in known:
            items.add_fault(
                (*location, "property"),
                "expected a built-in observed property or one of properties.yaml, "
                f"found {name!r}{suggestion(name, known)}",
            )
        elif isinstance(sensor, str) and sensor in observed and name not in observed[sensor]:
            expected = ", ".join(sorted(observed[sensor]))
            items.add_fault(
                (*location, "property"), f"found {name!r}, expected what {sensor} observes: {expected}"
            )
    for item, location in items.placed:
        if item.gain == 0:
            items.add_fault(
                (*location, "gain"), "found 0, expected a factor: a gain of 0 makes every value the same"
            )
    _check_overlaps(items)


def check_maintenance(items: Items[MaintenanceItem], sensors: Items[SensorItem]) -> None:
    """Add to the items' faults what only shows against each other and the rest of the city."""
    _check_sensors(items, sensors)
    _check_order(items.placed, items)
    for index, message in items.duplicates(
        "start of maintenance of this sensor", lambda one: (one.sensor, one.start)
    ):
        items.add_fault(("maintenance", index, "from"), message)


def _check_sensors(
    items: Items[CalibrationItem] | Items[MaintenanceItem], sensors: Items[SensorItem]
) -> None:
    """Tell sensors that the city does not have; none when sensors.yaml does not say which it has."""
    if sensors.document is None or (sensors.faults and not sensors.entries):
        return
    references = ReferenceCheck("id of a sensor", sensors.ids)
    for entry, location in items.entries:
        sensor = entry.get("sensor")
        if isinstance(sensor, str) and (message := references.fault(sensor)):
            items.add_fault((*location, "sensor"), message)


def _observed(sensors: Items[SensorItem]) -> Mapping[str, frozenset[str]]:
    """Return what each sensor without faults observes."""
    return {one.item.id: frozenset(each.property for each in one.item.observes) for one in sensors.placed}


def _end(until: Instant | None) -> Instant:
    return INSTANT_MAX if until is None else until


def _check_order(
    placed: Iterable[PlacedItem[CalibrationItem]] | Iterable[PlacedItem[MaintenanceItem]],
    items: Items[CalibrationItem] | Items[MaintenanceItem],
) -> None:
    for item, location in placed:
        if _end(item.until) <= item.start:
            items.add_fault(
                (*location, "until"),
                f"found {format_instant(_end(item.until))}, expected later than from, "
                f"{format_instant(item.start)}",
            )


def _check_overlaps(items: Items[CalibrationItem]) -> None:
    """Tell each calibration that starts while another of the same sensor and property is in force."""
    _check_order(items.placed, items)
    series: defaultdict[tuple[str, str], list[PlacedItem[CalibrationItem]]] = defaultdict(list)
    for one in items.placed:
        series[one.item.sensor, one.item.property].append(one)
    for placed in series.values():
        placed.sort(key=lambda one: (one.item.start, one.location))
        longest: PlacedItem[CalibrationItem] | None = None
        for one in placed:
            if longest is not None and one.item.start < _end(longest.item.until) and items.document:
                line = items.document.line(longest.location)
                ends = (
                    "has no until"
                    if longest.item.until is None
                    else f"ends {format_instant(longest.item.until)}"
                )
                items.add_fault(
                    (*one.location, "from"),
                    f"overlaps the calibration of the same sensor and property in line {line}, which {ends}",
                )
            if longest is None or _end(one.item.until) > _end(longest.item.until):
                longest = one


def to_calibration(item: CalibrationItem) -> Calibration:
    """Return the calibration that an item asks for."""
    return Calibration(
        sensor=item.sensor,
        property=item.property,
        start=item.start,
        end=_end(item.until),
        gain=item.gain,
        offset=item.offset,
        note=item.note,
    )


def to_maintenance(item: MaintenanceItem) -> Maintenance:
    """Return the maintenance that an item asks for."""
    return Maintenance(sensor=item.sensor, start=item.start, end=_end(item.until), note=item.note)
