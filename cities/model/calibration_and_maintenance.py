"""Calibrations and maintenance of a city folder: cross-checked, and converted to the plan."""

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
    """Add the faults of calibrations against each other and against the rest of the city."""
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
    """Add the faults of maintenance against each other and against the rest of the city."""
    _check_sensors(items, sensors)
    _check_order(items.placed, items)
    for index, message in items.duplicates(
        "start of maintenance of this sensor", lambda one: (one.sensor, one.start)
    ):
        items.add_fault(("maintenance", index, "from"), message)


def _check_sensors(
    items: Items[CalibrationItem] | Items[MaintenanceItem], sensors: Items[SensorItem]
) -> None:
    """Report unknown sensors; none if sensors.yaml is unreadable."""
    if sensors.document is None or (sensors.faults and not sensors.entries):
        return
    references = ReferenceCheck("id of a sensor", sensors.ids)
    for entry, location in items.entries:
        sensor = entry.get("sensor")
        if isinstance(sensor, str) and (message := references.fault(sensor)):
            items.add_fault((*location, "sensor"), message)


def _observed(sensors: Items[SensorItem]) -> Mapping[str, frozenset[str]]:
    """Return the properties that each valid sensor observes."""
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
    """Report each calibration that starts while another of the same sensor and property is in force."""
    _check_order(items.placed, items)
    series: defaultdict[tuple[str, str], list[PlacedItem[CalibrationItem]]] = defaultdict(list)
    for calibration in items.placed:
        series[calibration.item.sensor, calibration.item.property].append(calibration)
    for placed in series.values():
        placed.sort(key=lambda calibration: (calibration.item.start, calibration.location))
        longest: PlacedItem[CalibrationItem] | None = None
        for calibration in placed:
            if longest is not None and calibration.item.start < _end(longest.item.until) and items.document:
                line = items.document.line(longest.location)
                ends = (
                    "has no until"
                    if longest.item.until is None
                    else f"ends {format_instant(longest.item.until)}"
                )
                items.add_fault(
                    (*calibration.location, "from"),
                    f"overlaps the calibration of the same sensor and property in line {line}, which {ends}",
                )
            if longest is None or _end(calibration.item.until) > _end(longest.item.until):
                longest = calibration


def to_calibration(item: CalibrationItem) -> Calibration:
    """Return the calibration of an item."""
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
    """Return the maintenance of an item."""
    return Maintenance(sensor=item.sensor, start=item.start, end=_end(item.until), note=item.note)


def from_calibration(calibration: Calibration) -> CalibrationItem:
    """Return the item of a calibration, to be written."""
    return CalibrationItem.of(
        sensor=calibration.sensor,
        property=calibration.property,
        start=calibration.start,
        until=calibration.end if calibration.end != INSTANT_MAX else None,
        gain=calibration.gain,
        offset=calibration.offset,
        note=calibration.note,
    )


def from_maintenance(maintenance: Maintenance) -> MaintenanceItem:
    """Return the item of maintenance, to be written."""
    return MaintenanceItem.of(
        sensor=maintenance.sensor,
        start=maintenance.start,
        until=maintenance.end if maintenance.end != INSTANT_MAX else None,
        note=maintenance.note,
    )
