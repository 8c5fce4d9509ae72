"""The writer of city folders: the same model gives the same bytes, and reads back as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from cities.duration import format_duration
from cities.duty.routes_file import roster_files, routes_document
from cities.model.properties import base_of, changed_fields, own_properties
from cities.model.sensors import conversion_or_identity, personal_by_feed
from cities.rules.document import rule_document
from twin.alarms.rules.rule import Rule
from twin.errors import UnitError
from twin.instant import INSTANT_MAX, Instant, format_instant
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import CityFeed, CityModel
from twin.model.entity import Entity
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty
from twin.model.sensor import Datastream, Sensor
from twin.quality.quality_rules import SpikeRule, StuckRule


class _Flow(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(yaml.CSafeDumper):
    """Writes blocks, `_Flow` on one line, and never an alias: `cities.files.yaml_document` refuses them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Flow,
    lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True),
)


def write_city(model: CityModel, folder: Path) -> tuple[Path, ...]:
    """Write the model's files into a folder, which is created if needed; return the files.

    Optional files that the model has no content for are removed; other files stay. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    city = model.city
    own = own_properties(model.properties)
    calibrations = sorted(model.calibrations, key=lambda one: (one.sensor, one.property, one.start))
    maintenance = sorted(model.maintenance, key=lambda one: (one.sensor, one.start))
    feeds = sorted(model.feeds, key=lambda one: one.id)
    rules = sorted(model.rules.values(), key=lambda one: one.id)
    files: dict[str, dict[str, Any]] = {
        "city.yaml": {"city": {"id": city.id, "name": city.name, "timezone": city.timezone}},
        "entities.yaml": {"entities": [_entity(one) for one in _tree(model.entities.values())]},
        "sensors.yaml": {"sensors": list(_sensors(model))},
        "properties.yaml": {"properties": [_property(one) for one in own]} if own else {},
        "feeds.yaml": {"feeds": [_feed(one) for one in feeds]} if feeds else {},
        "calibrations.yaml": (
            {"calibrations": [_calibration(one) for one in calibrations]} if calibrations else {}
        ),
        "maintenance.yaml": {"maintenance": [_maintenance(one) for one in maintenance]}
        if maintenance
        else {},
        "rules.yaml": {"rules": [_rule_item(one, model) for one in rules]} if rules else {},
        "routes.yaml": routes_document(model.duty),
    }
    written = []
    for name, content in files.items():
        path = folder / name
        if content:
            _write(path, content)
            written.append(path)
        else:
            path.unlink(missing_ok=True)
    rosters = roster_files(model.duty)
    for name, text in rosters.items():
        _write_text(folder / name, text)
        written.append(folder / name)
    for path in folder.glob("roster*.ics"):
        if path.name not in rosters:
            path.unlink()
    return tuple(written)


def _write(path: Path, content: dict[str, Any]) -> None:
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, indent=2)
    _write_text(path, text)


def _write_text(path: Path, text: str) -> None:
    # The rename is atomic, so a reader or a crash never sees half a file.
    part = path.with_name(path.name + ".part")
    part.write_bytes(text.encode())
    part.replace(path)


def _tree(entities: Iterable[Entity]) -> Iterator[Entity]:
    """Yield areas before the entities in them, siblings by id."""
    descending = sorted(entities, key=lambda one: one.id, reverse=True)
    known = {one.id for one in descending}
    children: dict[str | None, list[Entity]] = {}
    for entity in descending:
        children.setdefault(entity.parent if entity.parent in known else None, []).append(entity)
    waiting = children.get(None, [])
    while waiting:
        entity = waiting.pop()
        yield entity
        waiting.extend(children.get(entity.id, ()))


def _entity(entity: Entity) -> dict[str, Any]:
    item: dict[str, Any] = {"id": entity.id, "type": entity.type, "name": entity.name}
    if entity.parent is not None:
        item["parent"] = entity.parent
    if entity.geometry is not None:
        item["geometry"] = _Flow(entity.geometry)
    if entity.attributes:
        item["attributes"] = dict(entity.attributes)
    if entity.relations:
        item["relations"] = [_Flow(type=one.type, target=one.target) for one in entity.relations]
    return item


def _sensors(model: CityModel) -> Iterator[dict[str, Any]]:
    streams: dict[str, list[Datastream]] = {}
    for stream in sorted(model.datastreams.values(), key=lambda one: one.id):
        streams.setdefault(stream.sensor, []).append(stream)
    feeds = {one.id: one for one in model.feeds}
    for sensor_id, sensor in sorted(model.sensors.items()):
        item: dict[str, Any] = {
            "id": sensor_id,
            "feed": sensor.feed,
            "device": sensor.device,
            "entity": sensor.entity,
            "interval": format_duration(sensor.interval),
        }
        if sensor.personal != personal_by_feed(sensor.feed, feeds):
            item["personal"] = sensor.personal
        if sensor.gateway:
            item["gateway"] = sensor.gateway
        if sensor.power:
            item["power"] = sensor.power
        item["observes"] = [_observed(one, sensor, model) for one in streams.get(sensor_id, ())]
        yield item


def _observed(stream: Datastream, sensor: Sensor, model: CityModel) -> _Flow:
    item = _Flow(property=stream.property, field=stream.field, unit=stream.unit)
    try:
        own = conversion_or_identity(stream.unit, model.properties[stream.property].unit)
    except UnitError:
        own = None
    if own is None or stream.scale != own.scale or (own.offset and stream.offset != own.offset):
        item.update(scale=stream.scale, offset=stream.offset)
    elif stream.offset != own.offset:
        item["offset"] = stream.offset
    if stream.interval != sensor.interval:
        item["interval"] = format_duration(stream.interval)
    return item


def _property(property: ObservedProperty) -> dict[str, Any]:
    item: dict[str, Any] = {"name": property.name}
    if property.name not in BUILT_IN_PROPERTIES:
        item.update(
            unit=property.unit,
            theme=property.theme,
            minimum=property.minimum,
            maximum=property.maximum,
            combination=property.combination,
            aggregation=property.aggregation,
        )
    base = base_of(property)
    for key in ("quality", "retention"):
        named = changed_fields(getattr(property, key), getattr(base, key))
        if named:
            item[key] = {to_camel(name): _rule(name, value) for name, value in named.items()}
    if property.roll_up != base.roll_up:
        item["rollUp"] = property.roll_up
    if property.wraps_at != base.wraps_at:
        item["wrapsAt"] = property.wraps_at
    return item


# Fields that are durations; all others are numbers, counts and lists of numbers.
_DURATIONS = frozenset({"duration_min", "late_after", "skew_after", "raw", "minute", "hour"})


def _rule(name: str, value: Any) -> Any:
    match value:
        case SpikeRule() | StuckRule():
            return _Flow(
                {to_camel(key): _rule(key, each) for key, each in asdict(value).items() if each != ()}
            )
        case tuple():
            return list(value)
        case _:
            return format_duration(value) if name in _DURATIONS else value


def _calibration(calibration: Calibration) -> dict[str, Any]:
    item: dict[str, Any] = {
        "sensor": calibration.sensor,
        "property": calibration.property,
        **_times(calibration.start, calibration.end),
    }
    if calibration.gain != 1.0:
        item["gain"] = calibration.gain
    if calibration.offset:
        item["offset"] = calibration.offset
    if calibration.note:
        item["note"] = calibration.note
    return item


def _maintenance(maintenance: Maintenance) -> dict[str, Any]:
    item: dict[str, Any] = {"sensor": maintenance.sensor, **_times(maintenance.start, maintenance.end)}
    if maintenance.note:
        item["note"] = maintenance.note
    return item


def _rule_item(rule: Rule, model: CityModel) -> dict[str, Any]:
    item = rule_document(rule, model)
    for key in ("title", "select"):
        item[key] = _Flow(item[key])
    return item


def _times(start: Instant, end: Instant) -> dict[str, str]:
    times = {"from": format_instant(start)}
    if end != INSTANT_MAX:
        times["until"] = format_instant(end)
    return times


def _feed(feed: CityFeed) -> dict[str, Any]:
    item: dict[str, Any] = {"id": feed.id, "filter": feed.filter, "decoder": feed.decoder}
    if feed.device_level is not None:
        item["deviceLevel"] = feed.device_level
    return item
