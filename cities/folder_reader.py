"""The reader of city folders: parses every file, validates every item, and cross-checks everything."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from errno import EFBIG
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from cities.duty.routes_file import read_duty
from cities.files.faults import CityError, CityFault
from cities.files.items import Items, read_items, read_only_item, read_section, suggestion
from cities.files.schema import (
    FEEDS,
    CalibrationItem,
    CityItem,
    EntityItem,
    FeedItem,
    Item,
    MaintenanceItem,
    MaintenanceWindowItem,
    PropertyItem,
    SensorItem,
)
from cities.files.yaml_document import FILE_BYTES_MAX, YamlDocument, load_yaml
from cities.model.calibration_and_maintenance import (
    check_calibrations,
    check_maintenance,
    to_calibration,
    to_maintenance,
)
from cities.model.entities import check_entities, to_entity
from cities.model.geometry import NETHERLANDS, BoundingBox
from cities.model.maintenance_windows import WindowContext, read_windows
from cities.model.properties import check_properties, to_properties
from cities.model.register import check_register, to_sensor_register
from cities.model.sensors import check_personal_mix, check_sensors, to_datastreams, to_sensor
from cities.rules.context import RuleContext
from cities.rules.document import RuleItem, check_rules
from cities.site.background import background_faults
from cities.site.design_tokens import theme_faults
from cities.site.site_file import read_site
from runtime.mqtt.outlet_topics import may_match_outlet_topic
from twin.model.city_model import City, CityFeed, CityPlan
from twin.model.duty import NO_DUTY_PLAN, DutyPlan
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.site import BACKGROUND_FILE, NO_SITE, SITE_FILES, THEME_FILE, Site

ItemType = TypeVar("ItemType", bound=Item)

REQUIRED_FILES = ("city.yaml", "entities.yaml", "sensors.yaml")
OPTIONAL_FILES = ("properties.yaml", "feeds.yaml", "calibrations.yaml", "maintenance.yaml", "rules.yaml")
DUTY_FILE = "routes.yaml"
SITE_FILE = "site.yaml"


def read_city(path: Path) -> CityPlan:
    """Return the plan of a city folder. Raises CityError with every fault of the folder."""
    reading = _Reading(path)
    with _collector_paused():
        plan = reading.plan()
    if plan is None:
        raise CityError(reading.faults)
    return plan


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector: with half a million YAML nodes it takes longer than the parsing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(slots=True)
class _Reading:
    """One reading of a folder, and the faults found so far."""

    folder: Path
    faults: list[CityFault] = field(default_factory=list)

    def plan(self) -> CityPlan | None:
        if not self.folder.is_dir():
            self.faults.append(CityFault(str(self.folder), 1, "", "not a folder: expected a city folder"))
            return None
        self._check_names()
        city = self._city()
        properties = self._list("properties.yaml", "properties", PropertyItem, "name")
        feeds = self._list("feeds.yaml", "feeds", FeedItem)
        entities = self._list("entities.yaml", "entities", EntityItem)
        sensors = self._list("sensors.yaml", "sensors", SensorItem)
        calibrations = self._list("calibrations.yaml", "calibrations", CalibrationItem)
        maintenance, windows = self._maintenance()
        rules = self._list("rules.yaml", "rules", RuleItem)

        check_properties(properties)
        _check_feeds(feeds)
        in_netherlands = city is not None and city.timezone == "Europe/Amsterdam"
        home = NETHERLANDS if in_netherlands else None
        check_entities(entities, home)
        site, files = self._site(), self._files(home)
        own_properties = to_properties(properties)
        known = {**BUILT_IN_PROPERTIES, **{one.name: one for one in own_properties}}
        check_sensors(
            sensors, entities.ids if entities.document else None, known, frozenset(FEEDS) | feeds.ids
        )
        own_feeds = {one.item.id: _feed(one.item) for one in feeds.placed}
        check_personal_mix(sensors, own_feeds)
        kinds = frozenset(city.sensor_register.kinds) if city and city.sensor_register else frozenset()
        check_register(sensors, kinds if city is not None else None)
        check_calibrations(calibrations, sensors, known)
        check_maintenance(maintenance, sensors)
        ids = entities.ids if entities.document else None
        sensor_ids = sensors.ids if sensors.document and (sensors.entries or not sensors.faults) else None
        zone = city.timezone if city is not None else "UTC"
        context = WindowContext(sensors=sensor_ids, entities=ids, properties=known, zone=zone)
        own_windows = read_windows(windows, context)
        for items in (properties, feeds, entities, sensors, calibrations, maintenance, windows):
            self.faults.extend(items.faults)
        plan = None
        if city is not None and not self.faults:
            plan = CityPlan(
                city=_city(city, site, files),
                entities=tuple(to_entity(one.item) for one in entities.placed),
                sensors=tuple(to_sensor(one.item, own_feeds) for one in sensors.placed),
                datastreams=tuple(
                    datastream
                    for sensor in sensors.placed
                    for datastream in to_datastreams(sensor.item, known)
                ),
                properties=own_properties,
                feeds=tuple(own_feeds.values()),
                calibrations=tuple(to_calibration(one.item) for one in calibrations.placed),
                maintenance=tuple(to_maintenance(one.item) for one in maintenance.placed),
                maintenance_windows=own_windows,
                files=files,
            )
        own_rules = check_rules(rules, RuleContext.of_folder(plan, known, ids))
        self.faults.extend(rules.faults)
        duty = self._duty(ids)
        return replace(plan, rules=own_rules, duty=duty) if plan is not None and not self.faults else None

    def _check_names(self) -> None:
        """Report files that no reader knows: most often a misspelt name."""
        names = (*REQUIRED_FILES, *OPTIONAL_FILES, DUTY_FILE, SITE_FILE)
        for file in sorted(self.folder.iterdir()):
            if file.suffix.lower() in (".yaml", ".yml") and file.name not in names:
                message = f"unknown file{suggestion(file.name, names)}: expected {', '.join(names)}"
                self.faults.append(CityFault(str(file), 1, "", message))

    def _document(self, name: str) -> YamlDocument | None:
        path = self.folder / name
        if not path.exists():
            if name in REQUIRED_FILES:
                self.faults.append(CityFault(str(path), 1, "", "file is missing"))
            return None
        document, faults = load_yaml(path)
        self.faults.extend(faults)
        return document

    def _city(self) -> CityItem | None:
        document = self._document("city.yaml")
        if document is None:
            return None
        city, items = read_only_item(document, "city", CityItem)
        self.faults.extend(items.faults)
        return city

    def _duty(self, areas: frozenset[str] | None) -> DutyPlan:
        document = self._document(DUTY_FILE)
        if document is None:
            return NO_DUTY_PLAN
        duty, faults = read_duty(document, self.folder, areas)
        self.faults.extend(faults)
        return duty

    def _maintenance(self) -> tuple[Items[MaintenanceItem], Items[MaintenanceWindowItem]]:
        """Return the two lists of maintenance.yaml: times of single sensors, and windows with ids."""
        document = self._document("maintenance.yaml")
        if document is None:
            return Items(), Items()
        if not isinstance(document.data, dict) or "windows" not in document.data:
            return read_items(document, "maintenance", MaintenanceItem), Items()
        for key in document.data:
            if key not in ("maintenance", "windows"):
                message = "unknown key: expected 'maintenance' and 'windows'"
                self.faults.append(document.fault_at((key,), message))
        return (
            read_section(document, "maintenance", MaintenanceItem),
            read_section(document, "windows", MaintenanceWindowItem),
        )

    def _site(self) -> Site:
        document = self._document(SITE_FILE)
        if document is None:
            return NO_SITE
        site, faults = read_site(document)
        self.faults.extend(faults)
        return site

    def _files(self, home: BoundingBox | None) -> dict[str, bytes]:
        """Return the content of the files that the page reads as they are, by name."""
        files: dict[str, bytes] = {}
        for name in SITE_FILES:
            path = self.folder / name
            if not path.exists():
                continue
            try:
                if path.stat().st_size > FILE_BYTES_MAX:
                    raise OSError(EFBIG, "file is too large")
                files[name] = path.read_bytes()
            except OSError as error:
                self.faults.append(CityFault(str(path), 1, "", f"file cannot be read: {error.strerror}"))
        for line, message in theme_faults(files.get(THEME_FILE, b"")):
            self.faults.append(CityFault(str(self.folder / THEME_FILE), line, "", message))
        if BACKGROUND_FILE in files:
            path = self.folder / BACKGROUND_FILE
            self.faults.extend(
                CityFault(str(path), 1, "", message)
                for message in background_faults(files[BACKGROUND_FILE], home)
            )
        return files

    def _list(self, name: str, key: str, item_type: type[ItemType], label: str = "id") -> Items[ItemType]:
        document = self._document(name)
        return Items() if document is None else read_items(document, key, item_type, label)


def _check_feeds(items: Items[FeedItem]) -> None:
    for item, location in items.placed:
        if item.id in FEEDS:
            items.add_fault(
                (*location, "id"), f"{item.id} is built in and cannot be redefined; choose another id"
            )
        levels = item.filter.split("/")
        if item.device_level is not None and item.device_level >= len(levels) and levels[-1] != "#":
            items.add_fault(
                (*location, "deviceLevel"),
                f"found {item.device_level}, expected less than {len(levels)}: levels count from 0",
            )
        if may_match_outlet_topic(item.filter):
            items.add_fault(
                (*location, "filter"),
                f"{item.filter} matches what LiveTwin itself sends; choose a narrower filter",
            )
    for index, message in items.duplicates("filter", lambda item: item.filter):
        items.add_fault(("feeds", index, "filter"), message)


def _city(item: CityItem, site: Site, files: Mapping[str, bytes]) -> City:
    return City(
        id=item.id,
        name=item.name,
        timezone=item.timezone,
        sensor_register=to_sensor_register(item.sensor_register),
        site=site,
        files={name: sha256(content).hexdigest() for name, content in files.items()},
    )


def _feed(item: FeedItem) -> CityFeed:
    return CityFeed(**item.model_dump())
