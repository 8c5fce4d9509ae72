"""A whole city model as JSON, and back: for the copy on disk, and for dossiers."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from twin.alarms.rules.rule import Rule
from twin.errors import MessageError
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import City, CityFeed, CityModel, index_by_id
from twin.model.duty import DutyPlan
from twin.model.entity import Entity
from twin.model.maintenance_window import MaintenanceWindow
from twin.model.observed_property import ObservedProperty
from twin.model.sensor import Datastream, Sensor
from twin.wire.codec import DECODE_ERRORS

MODEL_LAYOUT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModelDocument:
    layout: int
    version: int
    city: City
    entities: tuple[Entity, ...]
    sensors: tuple[Sensor, ...]
    datastreams: tuple[Datastream, ...]
    properties: tuple[ObservedProperty, ...]
    feeds: tuple[CityFeed, ...]
    calibrations: tuple[Calibration, ...]
    maintenance: tuple[Maintenance, ...]
    rules: tuple[Rule, ...]
    duty: DutyPlan
    withdrawn_rules: tuple[Rule, ...] = ()
    rule_authors: dict[str, str] = field(default_factory=dict)
    maintenance_windows: tuple[MaintenanceWindow, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_ModelDocument).decode


def encode_model(model: CityModel) -> bytes:
    """Return a model as JSON."""
    return _encode(
        _ModelDocument(
            layout=MODEL_LAYOUT,
            version=model.version,
            city=model.city,
            entities=tuple(model.entities.values()),
            sensors=tuple(model.sensors.values()),
            datastreams=tuple(model.datastreams.values()),
            properties=tuple(model.properties.values()),
            feeds=model.feeds,
            calibrations=model.calibrations,
            maintenance=model.maintenance,
            rules=tuple(model.rules.values()),
            duty=model.duty,
            withdrawn_rules=tuple(model.withdrawn_rules.values()),
            rule_authors=dict(model.rule_authors),
            maintenance_windows=tuple(model.maintenance_windows.values()),
        )
    )


def decode_model(data: bytes) -> CityModel:
    """Return the model in JSON; raise MessageError when it has another layout, or cannot be read."""
    try:
        found = _decode(data)
    except DECODE_ERRORS as error:
        raise MessageError(f"the model of {len(data)} bytes cannot be read: {error}") from error
    if found.layout != MODEL_LAYOUT:
        raise MessageError(f"the model has layout {found.layout}, this program reads layout {MODEL_LAYOUT}")
    return CityModel(
        version=found.version,
        city=found.city,
        entities={one.id: one for one in found.entities},
        sensors={one.id: one for one in found.sensors},
        datastreams=index_by_id(found.datastreams),
        properties={one.name: one for one in found.properties},
        feeds=found.feeds,
        calibrations=found.calibrations,
        maintenance=found.maintenance,
        rules={one.id: one for one in found.rules},
        duty=found.duty,
        withdrawn_rules={one.id: one for one in found.withdrawn_rules},
        rule_authors=found.rule_authors,
        maintenance_windows={one.id: one for one in found.maintenance_windows},
    )
