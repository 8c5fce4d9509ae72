"""The writer of city folders: the same model gives the same bytes, and reads back as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from cities.duty.routes_file import roster_files, routes_document
from cities.files.schema import FeedItem, SensorItem
from cities.model.calibration_and_maintenance import from_calibration, from_maintenance
from cities.model.entities import from_entity
from cities.model.maintenance_windows import window_document
from cities.model.properties import from_property, own_properties
from cities.model.register import from_sensor_register
from cities.model.sensors import from_sensor
from cities.rules.document import rule_document
from cities.site.site_file import site_document
from twin.model.city_model import City, CityModel
from twin.model.entity import Entity
from twin.model.sensor import Datastream
from twin.model.site import SITE_FILES

_LISTS_OF_FILES = {
    "properties": ("properties",),
    "feeds": ("feeds",),
    "calibrations": ("calibrations",),
    "maintenance": ("maintenance", "windows"),
    "rules": ("rules",),
}
"""The lists of each optional file."""


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


def write_city(
    model: CityModel, folder: Path, contents: Mapping[str, bytes] | None = None
) -> tuple[Path, ...]:
    """Write the model's files into a folder, which is created if needed; return the files.

    Optional files that the model has no content for are removed; other files stay. `contents` has that of
    the page's files by name, which the model does not have; one that is missing there stays. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    city = model.city
    own = own_properties(model.properties)
    calibrations = sorted(model.calibrations, key=lambda one: (one.sensor, one.property, one.start))
    maintenance = sorted(model.maintenance, key=lambda one: (one.sensor, one.start))
    feeds = sorted(model.feeds, key=lambda one: one.id)
    rules = sorted(model.rules.values(), key=lambda one: one.id)
    lists: dict[str, list[dict[str, Any]]] = {
        "properties": [_styled(from_property(one).document()) for one in own],
        "feeds": [FeedItem.of(**asdict(one)).document() for one in feeds],
        "calibrations": [from_calibration(one).document() for one in calibrations],
        "maintenance": [from_maintenance(one).document() for one in maintenance],
        "windows": [window_document(one) for _, one in sorted(model.maintenance_windows.items())],
        "rules": [_styled(rule_document(one, model)) for one in rules],
    }
    files: dict[str, dict[str, Any]] = {
        "city.yaml": {"city": _city_document(city)},
        "entities.yaml": {
            "entities": [_styled(from_entity(one).document()) for one in _tree(model.entities.values())]
        },
        "sensors.yaml": {"sensors": [_styled(one.document()) for one in _sensors(model)]},
        **{
            f"{key}.yaml": {name: lists[name] for name in names if lists[name]}
            for key, names in _LISTS_OF_FILES.items()
        },
        "routes.yaml": routes_document(model.duty),
        "site.yaml": site_document(city.site),
    }
    written = []
    for name, content in files.items():
        path = folder / name
        if content:
            _write(path, content)
            written.append(path)
        else:
            path.unlink(missing_ok=True)
    for name in SITE_FILES:
        if name not in city.files:
            (folder / name).unlink(missing_ok=True)
        elif contents is not None and name in contents:
            _write_bytes(folder / name, contents[name])
            written.append(folder / name)
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
    _write_bytes(path, text.encode())


def _write_bytes(path: Path, content: bytes) -> None:
    # The rename is atomic, so a reader or a crash never sees half a file.
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _city_document(city: City) -> dict[str, Any]:
    document: dict[str, Any] = {"id": city.id, "name": city.name, "timezone": city.timezone}
    register = from_sensor_register(city.sensor_register)
    return {**document, "sensorRegister": register} if register else document


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


def _sensors(model: CityModel) -> Iterator[SensorItem]:
    datastreams: dict[str, list[Datastream]] = {}
    for datastream in sorted(model.datastreams.values(), key=lambda one: one.id):
        datastreams.setdefault(datastream.sensor, []).append(datastream)
    for id, sensor in sorted(model.sensors.items()):
        yield from_sensor(sensor, datastreams.get(id, ()), model)


_ONE_LINE = frozenset({"geometry", "relations", "observes", "title", "select", "spike", "stuck", "register"})


def _styled(document: dict[str, Any]) -> dict[str, Any]:
    """Return an item's document with the values that are written on one line."""
    styled: dict[str, Any] = {}
    for key, value in document.items():
        if key == "quality" and isinstance(value, dict):
            styled[key] = _styled(value)
        elif key not in _ONE_LINE:
            styled[key] = value
        elif isinstance(value, list):
            styled[key] = [_Flow(each) for each in value]
        else:
            styled[key] = _Flow(value) if value is not None else None
    return styled
