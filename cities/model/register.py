"""The sensor register of a city folder: `sensorRegister` in city.yaml, and `register` of each sensor."""

from __future__ import annotations

from typing import Any

from cities.files.items import Items, suggestion
from cities.files.schema import (
    RegisterItem,
    SensorItem,
    SensorRegisterEntryItem,
    SensorRegisterItem,
    SentencesItem,
)
from twin.model.bilingual_text import BilingualText
from twin.model.sensor_register import NO_ENTRY, NO_REGISTER, RegisterEntry, SensorRegister

_TEXTS = ("device", "purpose", "observes", "observes_not", "legal_basis")
_WORDS = ("owner", "contact", "kind", "since", "until")


def check_register(items: Items[SensorItem], kinds: frozenset[str] | None) -> None:
    """Add the faults of the register of sensors; `kinds` is None if city.yaml cannot be read."""
    for item, location in items.placed:
        entry = item.register_
        if entry is None:
            continue
        if kinds is not None and entry.kind is not None and entry.kind not in kinds:
            expected = "expected one of the kinds of sensorRegister in city.yaml"
            items.add_fault(
                (*location, "register", "kind"),
                f"found {entry.kind!r}, {expected}{suggestion(entry.kind, kinds)}",
            )
        if entry.since is not None and entry.until is not None and entry.until < entry.since:
            items.add_fault(
                (*location, "register", "until"),
                f"found {entry.until}, expected a date that is not before `since`, {entry.since}",
            )


def to_sensor_register(item: SensorRegisterItem | None) -> SensorRegister:
    """Return the register's defaults of a city."""
    if item is None:
        return NO_REGISTER
    return SensorRegister(to_entry(item), {id: to_entry(kind) for id, kind in item.kinds.items()})


def to_entry(item: RegisterItem | None) -> RegisterEntry:
    """Return the entry of an item."""
    if item is None:
        return NO_ENTRY
    fields: dict[str, Any] = {"personal_data": item.personal_data}
    for name in _TEXTS:
        text: SentencesItem | None = getattr(item, name)
        fields[name] = BilingualText(text.en, text.nl) if text is not None else None
    for name in _WORDS:
        fields[name] = getattr(item, name, None) or ""
    return RegisterEntry(**fields)


def from_sensor_register(register: SensorRegister) -> dict[str, Any]:
    """Return `sensorRegister` as city.yaml has it; empty for one without content."""
    document = RegisterItem.of(**_fields(register.defaults)).document()
    kinds = {id: RegisterItem.of(**_fields(kind)).document() for id, kind in sorted(register.kinds.items())}
    return {**document, **({"kinds": kinds} if kinds else {})}


def from_entry(entry: RegisterEntry) -> SensorRegisterEntryItem | None:
    """Return the item of a sensor's entry; None for one without content."""
    if entry == NO_ENTRY:
        return None
    words = {name: getattr(entry, name) or None for name in ("kind", "since", "until")}
    return SensorRegisterEntryItem.of(**words, **_fields(entry))


def _fields(entry: RegisterEntry) -> dict[str, Any]:
    texts = {name: getattr(entry, name) for name in _TEXTS}
    return {
        **{
            name: SentencesItem.of(en=text.en, nl=text.nl) for name, text in texts.items() if text is not None
        },
        "owner": entry.owner or None,
        "contact": entry.contact or None,
        "personal_data": entry.personal_data,
    }
