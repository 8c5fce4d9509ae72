"""Sensors of a city folder: cross-checked, with their unit conversions resolved.

The law of conversion: canonical = offset + scale × value.

- With a `scale` both numbers are used as written: the scale replaces the unit's factor, the unit is only
  shown to readers, and the offset is in the canonical unit. `{property: water_level, unit: cm, scale: -0.01,
  offset: 1.85}` is an ultrasonic sensor 1.85 m above NAP that measures down to the water.
- Without a `scale` the unit is converted (`twin.model.units`), and `offset`, in the canonical unit, is added:
  `{property: air_temperature, unit: K, offset: -0.4}` is 0.4 degrees below the converted kelvins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from cities.files.items import Items, PlacedItem, suggestion
from cities.files.schema import PERSONAL_FEEDS, ObserveItem, SensorItem
from cities.model.entities import ReferenceCheck
from cities.model.register import from_entry, to_entry
from cities.model.validity import from_valid_when, to_valid_when, validity_faults
from twin.errors import UnitError
from twin.model.city_model import CityFeed, CityModel
from twin.model.observed_property import ObservedProperty
from twin.model.sensor import Datastream, Sensor
from twin.model.units import IDENTITY, UnitConversion, unit_conversion

# Feeds that read the same topic: a device id is the same device in both.
_TOPIC_SHARED_WITH = {"senml": "native"}


def datastream_conversion(item: ObserveItem, canonical: str) -> UnitConversion:
    """Return the conversion of a datastream into the canonical unit. Raises UnitError."""
    if item.scale is not None:
        return UnitConversion(item.scale, item.offset)
    own = conversion_or_identity(item.unit, canonical)
    return UnitConversion(own.scale, own.offset + item.offset)


def conversion_or_identity(unit: str, canonical: str) -> UnitConversion:
    """Return the conversion of a unit; an unknown unit converts only into itself. Raises UnitError."""
    return IDENTITY if unit == canonical else unit_conversion(unit, canonical)


def device_of(item: SensorItem) -> str:
    """Return the feed's name of a sensor; on the native topic, and without a `device`, its id."""
    return item.id if item.device is None else item.device


def personal_by_feed(feed: str, feeds: Mapping[str, CityFeed]) -> bool:
    """Whether the single readings of a feed are personal data by default."""
    return feed in PERSONAL_FEEDS or (feed in feeds and feeds[feed].decoder in PERSONAL_FEEDS)


def is_personal(item: SensorItem, feeds: Mapping[str, CityFeed]) -> bool:
    """Whether the single readings of a sensor are personal data."""
    return personal_by_feed(item.feed, feeds) if item.personal is None else item.personal


def check_sensors(
    items: Items[SensorItem],
    entities: frozenset[str] | None,
    properties: Mapping[str, ObservedProperty],
    feeds: frozenset[str],
) -> None:
    """Add the faults of sensors against the rest of the city.

    `entities` is None if entities.yaml cannot be read: then references to entities are not checked.
    """
    references = None if entities is None else ReferenceCheck("id of an entity", entities)
    for entry, location in items.entries:
        feed = entry.get("feed")
        if isinstance(feed, str) and feed not in feeds:
            expected = f"expected one of {', '.join(sorted(feeds))}{suggestion(feed, feeds)}"
            items.add_fault((*location, "feed"), f"found {feed!r}, {expected}")
        elif "device" not in entry and feed not in ("native", "senml"):
            items.add_fault((*location, "device"), "key is missing")
        for key in ("entity", "gateway", "power"):
            id = entry.get(key)
            if references is not None and isinstance(id, str) and (message := references.fault(id)):
                items.add_fault((*location, key), message)
        for steps, message in _observe_faults(entry.get("observes"), properties):
            items.add_fault((*location, "observes", *steps), message)
    for item, location in items.placed:
        for index, observed in enumerate(item.observes):
            for key, message in _validity_faults(observed):
                items.add_fault((*location, "observes", index, "validWhen", key), message)
    for index, message in items.duplicates("device of this feed", _key):
        items.add_fault(("sensors", index, "device"), message)


def check_personal_mix(items: Items[SensorItem], feeds: Mapping[str, CityFeed]) -> None:
    """Add a fault for each property of an entity that both personal and other sensors observe.

    Such a property would have two values under one name: the published sum of the households, and the
    combination of the others.
    """
    first: dict[tuple[str, str], dict[bool, PlacedItem[SensorItem]]] = defaultdict(dict)
    for placed in items.placed:
        item, location = placed
        personal = is_personal(item, feeds)
        for number, observed in enumerate(item.observes):
            known = first[item.entity, observed.property]
            other = known.get(not personal)
            if known.setdefault(personal, placed) is placed and other is not None and items.document:
                line = items.document.line(other.location)
                ours, theirs = ("personal", "not") if personal else ("not personal", "personal")
                items.add_fault(
                    (*location, "observes", number, "property"),
                    f"{observed.property} of {item.entity} is {ours} here, and {theirs} in {other.item.id}, "
                    f"line {line}: expected only personal sensors of a property on an entity, or none; "
                    "observe it as another property or on another entity, or correct `personal`",
                )


def _validity_faults(observed: ObserveItem) -> Iterator[tuple[str, str]]:
    condition = observed.valid_when
    if condition is None:
        return
    if condition.field == observed.field:
        yield (
            "field",
            f"found {condition.field!r}, the field of {observed.property} itself, expected another field "
            "of the message; bounds of the value itself are in the property's quality",
        )
    yield from validity_faults(condition)


def _key(item: SensorItem) -> tuple[str, str]:
    # Vendors write an EUI in either case, and ingest treats both as the same device.
    return _TOPIC_SHARED_WITH.get(item.feed, item.feed), device_of(item).lower()


def _observe_faults(
    observes: object, properties: Mapping[str, ObservedProperty]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    seen: set[str] = set()
    for index, observed_item in enumerate(observes if isinstance(observes, list) else ()):
        name = observed_item.get("property") if isinstance(observed_item, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            yield (index, "property"), f"{name} is observed twice by this sensor"
        seen.add(name)
        observed = properties.get(name)
        if observed is None:
            expected = "expected a built-in observed property or one of properties.yaml"
            expected += suggestion(name, properties)
            yield (index, "property"), f"found {name!r}, {expected}"
            continue
        unit, scale = observed_item.get("unit"), observed_item.get("scale")
        if scale == 0 and not isinstance(scale, bool):
            yield (index, "scale"), "found 0, expected a factor: a scale of 0 makes every value the same"
        elif scale is None and isinstance(unit, str):
            try:
                conversion_or_identity(unit, observed.unit)
            except UnitError as error:
                yield (index, "unit"), f"{error}; {name} is kept in {observed.unit}"


def to_sensor(item: SensorItem, feeds: Mapping[str, CityFeed]) -> Sensor:
    """Return the sensor of an item."""
    return Sensor(
        id=item.id,
        feed=item.feed,
        device=device_of(item),
        entity=item.entity,
        interval=item.interval,
        personal=is_personal(item, feeds),
        gateway=item.gateway or "",
        power=item.power or "",
        register=to_entry(item.register_),
    )


def to_datastreams(item: SensorItem, properties: Mapping[str, ObservedProperty]) -> Iterator[Datastream]:
    """Yield the datastreams of an item, in its order. Raises UnitError."""
    for observed in item.observes:
        scale, offset = datastream_conversion(observed, properties[observed.property].unit)
        yield Datastream(
            id=0,
            sensor=item.id,
            entity=item.entity,
            property=observed.property,
            field=observed.field,
            unit=observed.unit,
            scale=scale,
            offset=offset,
            interval=item.interval if observed.interval is None else observed.interval,
            valid_when=None if observed.valid_when is None else to_valid_when(observed.valid_when),
        )


def from_sensor(sensor: Sensor, datastreams: Iterable[Datastream], model: CityModel) -> SensorItem:
    """Return the item of a sensor with its datastreams, to be written."""
    by_feed = personal_by_feed(sensor.feed, {feed.id: feed for feed in model.feeds})
    return SensorItem.of(
        id=sensor.id,
        feed=sensor.feed,
        device=sensor.device,
        entity=sensor.entity,
        interval=sensor.interval,
        personal=sensor.personal if sensor.personal != by_feed else None,
        gateway=sensor.gateway or None,
        power=sensor.power or None,
        register_=from_entry(sensor.register),
        observes=[_from_datastream(datastream, sensor, model) for datastream in datastreams],
    )


def _from_datastream(datastream: Datastream, sensor: Sensor, model: CityModel) -> ObserveItem:
    """Return the item of a datastream: without a scale if its unit alone gives the conversion."""
    scale, offset = datastream.scale, datastream.offset
    try:
        own = conversion_or_identity(datastream.unit, model.properties[datastream.property].unit)
    except UnitError:
        own = None
    by_unit = own is not None and scale == own.scale and (not own.offset or offset == own.offset)
    return ObserveItem.of(
        () if by_unit else ("offset",),
        property=datastream.property,
        field=datastream.field,
        unit=datastream.unit,
        scale=None if by_unit else scale,
        offset=0.0 if own is not None and by_unit and offset == own.offset else offset,
        interval=datastream.interval if datastream.interval != sensor.interval else None,
        valid_when=None if datastream.valid_when is None else from_valid_when(datastream.valid_when),
    )
