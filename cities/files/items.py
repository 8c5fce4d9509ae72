"""The items of a document: each validated on its own, all faults in the words of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from cities.files.faults import CityFault, describe_value
from cities.files.schema import Item, explain_error
from cities.files.yaml_document import REFUSED, Location, YamlDocument

ItemType = TypeVar("ItemType", bound=Item)
ValueType = TypeVar("ValueType")


class FaultSink(Protocol):
    """Collects the faults of a document with their places."""

    def add_fault(self, location: Location, message: str) -> None:
        """Add a fault at a place in the document."""


class PlacedItem(NamedTuple, Generic[ItemType]):
    """A valid item and its place: the list's key and its index."""

    item: ItemType
    location: tuple[str, int]


@dataclass(slots=True)
class Items(Generic[ItemType]):
    """The items of one list of one file."""

    document: YamlDocument | None = None
    placed: list[PlacedItem[ItemType]] = field(default_factory=list)
    #: the mappings as written, also faulty ones: a fault in one place must not hide others
    entries: list[tuple[dict[str, Any], tuple[str, int]]] = field(default_factory=list)
    #: every id in the list, also of faulty items: a reference to them is no second fault
    ids: frozenset[str] = frozenset()
    faults: list[CityFault] = field(default_factory=list)

    def add_fault(self, location: Location, message: str) -> None:
        """Add a fault at a place in the document."""
        if self.document is not None:
            self.faults.append(self.document.fault_at(location, message))

    def duplicates(self, what: str, key: Callable[[ItemType], object]) -> Iterator[tuple[int, str]]:
        """Yield index and message for each item with the key of an earlier one."""
        first: dict[object, PlacedItem[ItemType]] = {}
        for placed in self.placed:
            first_placed = first.setdefault(key(placed.item), placed)
            if first_placed is not placed and self.document is not None:
                line = self.document.line(first_placed.location)
                yield placed.location[1], f"{what} is used twice: first in line {line}"


def read_items(
    document: YamlDocument, key: str, item_type: type[ItemType], name: str = "id"
) -> Items[ItemType]:
    """Return the items of a file that has one list under `key`; their `name` is unique."""
    items: Items[ItemType] = Items(document)
    _take_entries(items, key, _only_key(items, key), item_type, name)
    return items


def read_section(
    document: YamlDocument, key: str, item_type: type[ItemType], name: str = "id"
) -> Items[ItemType]:
    """Return the items of one of the lists of a file with several; none if the file lacks it."""
    items: Items[ItemType] = Items(document)
    if isinstance(document.data, dict):
        _take_entries(items, key, document.data.get(key), item_type, name)
    return items


def _take_entries(
    items: Items[ItemType], key: str, entries: Any, item_type: type[ItemType], name: str
) -> None:
    if not isinstance(entries, list):
        if entries is not None and entries is not REFUSED:
            items.add_fault((key,), f"found {describe_value(entries)}, expected a list")
        return
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        location = (key, index)
        if isinstance(entry, dict):
            items.entries.append((entry, location))
            label = entry.get(name)
            if isinstance(label, str) and first.setdefault(label, index) != index and items.document:
                line = items.document.line((key, first[label]))
                items.add_fault((*location, name), f"{name} is used twice: first in line {line}")
        item = validate_item(items, location, entry, item_type)
        if item is not None:
            items.placed.append(PlacedItem(item, location))
    items.ids = frozenset(first)


def read_only_item(
    document: YamlDocument, key: str, item_type: type[ItemType]
) -> tuple[ItemType | None, Items[ItemType]]:
    """Return the one item of a file that has it under `key`, and the faults."""
    items: Items[ItemType] = Items(document)
    entry = _only_key(items, key)
    return (None if entry is None else validate_item(items, (key,), entry, item_type)), items


def _only_key(items: Items[ItemType], key: str) -> Any:
    """Return the value of a file's only key; None, and a fault, if there is none."""
    data = items.document.data if items.document else None
    if not isinstance(data, dict):
        items.add_fault((), f"found {describe_value(data)}, expected a mapping with the key {key!r}")
        return None
    for other in data:
        if other != key:
            items.add_fault((other,), f"unknown key: expected only {key!r}")
    if key not in data:
        items.add_fault((), f"key {key!r} is missing")
        return None
    if data[key] is None:
        items.add_fault((key,), "found nothing, expected a value; write [] for an empty list")
    return data[key]


def validate_item(
    faults: FaultSink, location: tuple[str | int, ...], entry: Any, item_type: type[ItemType]
) -> ItemType | None:
    """Return the entry as an item; None, and its faults, if it is invalid."""
    try:
        return item_type.model_validate(entry)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["input"] is not REFUSED:
                faults.add_fault((*location, *detail["loc"]), _message(detail, item_type))
    return None


def validate_value(
    faults: FaultSink, location: Location, value: Any, adapter: TypeAdapter[ValueType]
) -> ValueType | None:
    """Return a value as the adapter reads it; None, and its faults, if it is invalid."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["input"] is not REFUSED:
                steps = (step for step in detail["loc"] if step != _MAPPING_KEY)
                faults.add_fault((*location, *steps), _message(detail))
    return None


_MAPPING_KEY = "[key]"  # pydantic's last step to a mapping's key, as opposed to the value under it


def _message(detail: ErrorDetails, item_type: type[Item] | None = None) -> str:
    kind, step = detail["type"], detail["loc"][-1] if detail["loc"] else ""
    if kind == "missing":
        return "key is missing"
    if kind == "extra_forbidden" and item_type is not None:
        keys = _keys_at(item_type, detail["loc"][:-1])
        return f"unknown key{suggestion(str(step), keys)}: expected {', '.join(keys)}"
    context = dict(detail.get("ctx", {}))
    if kind == "literal_error" and step == _MAPPING_KEY:
        keys = _literals(context)
        return f"unknown key{suggestion(str(detail['input']), keys)}: expected {', '.join(keys)}"
    if kind == "literal_error":
        explained = explain_error(kind, detail["input"], context)
        return f"{explained}{suggestion(str(detail['input']), _literals(context))}"
    return explain_error(kind, detail["input"], context)


def _literals(context: dict[str, Any]) -> list[str]:
    return str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ")


def _keys_at(item_type: type[Item], location: Iterable[str | int]) -> list[str]:
    """Return the keys that an item, or an item inside it, may have."""
    current = item_type
    for step in location:
        by_key = {one.alias or name: one for name, one in current.model_fields.items()}
        if step in by_key:
            current = _item_inside(by_key[step].annotation) or current
    return [one.alias or name for name, one in current.model_fields.items()]


def _item_inside(annotation: Any) -> type[Item] | None:
    inner = getattr(annotation, "__args__", ())
    return next((one for one in inner if isinstance(one, type) and issubclass(one, Item)), None)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a hint at the most similar known name, or nothing.

    >>> suggestion("entitty", ["entity", "feed"])
    ' (did you mean entity?)'
    """
    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {matches[0]}?)" if matches else ""
