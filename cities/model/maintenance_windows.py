"""Maintenance windows as documents: what stands in maintenance.yaml, and what the API takes and gives."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from cities.files.faults import describe_value
from cities.files.items import Items, suggestion, validate_item
from cities.files.schema import MaintenanceWindowItem, RecurrenceItem
from cities.rules.faults import RuleFault, RuleFaults
from twin.instant import DAY, INSTANT_MAX, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.maintenance_window import COVERED_MAX, WINDOWS_MAX, MaintenanceWindow
from twin.model.recurrence import (
    OCCURRENCE_LENGTH_MAX,
    SEARCHED_YEARS,
    Recurrence,
    RecurringPeriod,
    recurs,
    rule_fault,
)

SUGGESTIONS_MAX = 5
"""Of one window; the other unknown names have none."""

COMPARED_MAX = 1_000
"""Of more names none is compared with a wrong one: it would hold up other requests."""

NAME_CHARACTERS_MAX = 100
"""Of a wrong name, that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowContext:
    """The names of a city that a window may use; None for those that are unknown, as a file has faults."""

    sensors: Collection[str] | None
    entities: Collection[str] | None
    properties: Collection[str]
    zone: str  #: IANA name of the time zone of the city

    @classmethod
    def of(cls, model: CityModel) -> WindowContext:
        """Return the names of a complete city."""
        return cls(
            sensors=model.sensors,
            entities=model.entities,
            properties=model.properties,
            zone=model.city.timezone,
        )


def read_window(document: Any, context: WindowContext) -> MaintenanceWindow | tuple[RuleFault, ...]:
    """Return the window of a document (a mapping, as JSON has it) in a city, or everything wrong with it."""
    faults = RuleFaults()
    item = validate_item(faults, (), document, MaintenanceWindowItem)
    _check_names(document, context, faults)
    window = _read(item, context, faults) if item is not None else None
    return window if window is not None and not faults else faults.all


def read_windows(
    items: Items[MaintenanceWindowItem], context: WindowContext
) -> tuple[MaintenanceWindow, ...]:
    """Return the windows of a file, and add to the items' faults what their layout does not show."""
    by_location = {location: item for item, location in items.placed}
    windows = []
    for entry, location in items.entries:
        faults = RuleFaults()
        _check_names(entry, context, faults)
        item = by_location.get(location)
        window = _read(item, context, faults) if item is not None else None
        for fault in faults.all:
            items.add_fault((*location, *fault.location), fault.message)
        if window is not None:
            windows.append(window)
    if len(items.entries) > WINDOWS_MAX:
        items.add_fault(("windows",), f"found {len(items.entries)} windows, expected at most {WINDOWS_MAX}")
    return tuple(windows)


def window_document(window: MaintenanceWindow) -> dict[str, Any]:
    """Return the document of a window as JSON can hold it, without keys that have their default."""
    recurrence = window.recurrence
    return MaintenanceWindowItem.of(
        id=window.id,
        title=window.title,
        note=window.note,
        sensors=list(window.sensors) or None,
        entities=list(window.entities) or None,
        areas=list(window.areas) or None,
        properties=list(window.properties) or None,
        start=window.start,
        end=window.end if window.end != INSTANT_MAX else None,
        recurrence=(
            RecurrenceItem.of(rule=recurrence.rule, exdates=list(recurrence.exdates))
            if recurrence is not None
            else None
        ),
    ).document()


def _check_names(document: Any, context: WindowContext, faults: RuleFaults) -> None:
    """Add a fault for each name that the city does not have, also where the layout has faults."""
    if not isinstance(document, dict):
        return
    kinds: Sequence[tuple[str, Collection[str] | None, str]] = (
        ("sensors", context.sensors, "the id of a sensor of this city"),
        ("entities", context.entities, "the id of an entity of this city"),
        ("areas", context.entities, "the id of an entity of this city"),
        ("properties", context.properties, "an observed property of this city"),
    )
    if not any(document.get(key) for key in ("sensors", "entities", "areas")):
        faults.add_fault((), "found nothing that it covers, expected sensors, entities or areas")
    suggestions = 0
    for key, known, expected in kinds:
        listed = document.get(key)
        if not isinstance(listed, list) or known is None:
            continue
        for index, name in enumerate(listed[: COVERED_MAX + 1]):
            if isinstance(name, str) and name not in known:
                suggestions += 1
                is_cheap = suggestions <= SUGGESTIONS_MAX and len(known) <= COMPARED_MAX
                hint = suggestion(name[:NAME_CHARACTERS_MAX], known) if is_cheap else ""
                faults.add_fault((key, index), f"found {describe_value(name)}, expected {expected}{hint}")


def _read(
    item: MaintenanceWindowItem, context: WindowContext, faults: RuleFaults
) -> MaintenanceWindow | None:
    end = _end(item, faults)
    recurrence = None
    if item.recurrence is not None:
        recurrence = Recurrence(rule=item.recurrence.rule, exdates=tuple(sorted({*item.recurrence.exdates})))
        _check_recurrence(RecurringPeriod(item.start, end, recurrence, context.zone), faults)
    if faults:
        return None
    return MaintenanceWindow(
        id=item.id,
        title=item.title,
        note=item.note,
        sensors=_distinct(item.sensors),
        entities=_distinct(item.entities),
        areas=_distinct(item.areas),
        properties=_distinct(item.properties),
        start=item.start,
        end=end,
        recurrence=recurrence,
    )


def _end(item: MaintenanceWindowItem, faults: RuleFaults) -> Instant:
    if item.end is not None and item.duration is not None:
        faults.add_fault(("duration",), "found end and duration, expected one of them")
    if item.end is not None:
        if item.end <= item.start:
            faults.add_fault(
                ("end",),
                f"found {format_instant(item.end)}, expected later than start, {format_instant(item.start)}",
            )
        return item.end
    return INSTANT_MAX if item.duration is None else item.start + item.duration


def _check_recurrence(period: RecurringPeriod, faults: RuleFaults) -> None:
    if period.end == INSTANT_MAX:
        faults.add_fault(("end",), "key is missing: what recurs has an end or a duration")
    elif period.end - period.start > OCCURRENCE_LENGTH_MAX:
        days = OCCURRENCE_LENGTH_MAX // DAY
        faults.add_fault(("end",), f"expected at most {days} days after start for a window that recurs")
    message = rule_fault(period.recurrence.rule) if period.recurrence is not None else ""
    if not message:
        try:
            if not recurs(period):
                message = f"found no other occurrence within {SEARCHED_YEARS} years, expected one"
        except Exception as error:  # the library raises many types of errors
            message = f"found a rule that cannot be repeated: {' '.join(str(error).split())[:200]}"
    if message:
        faults.add_fault(("recurrence", "rule"), message)


def _distinct(ids: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids or ()))
