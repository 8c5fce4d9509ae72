"""The copy of the city model on disk: lets a role start while the database is away."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

import msgspec

from twin.alarms.rules.rule import Rule
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import City, CityFeed, CityModel, index_by_id
from twin.model.duty import DutyPlan
from twin.model.entity import Entity
from twin.model.observed_property import ObservedProperty
from twin.model.sensor import Datastream, Sensor
from twin.wire.codec import DECODE_ERRORS

MODEL_COPY_LAYOUT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModelCopy:
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


def write_model_copy(path: Path, model: CityModel) -> None:
    """Write a model as JSON; a reader sees the old file or the new one, never half of it.

    Several processes, in containers too, may share the folder: each writes a file of its own and renames it.
    Raises OSError.
    """
    copy = _ModelCopy(
        layout=MODEL_COPY_LAYOUT,
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
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{gethostname()}-{os.getpid()}.draft")
    draft.write_bytes(msgspec.json.encode(copy))
    draft.replace(path)


def read_model_copy(path: Path) -> CityModel | None:
    """Return the model of a copy; None when there is none or another version of the program wrote it."""
    try:
        copy = msgspec.json.decode(path.read_bytes(), type=_ModelCopy)
    except (FileNotFoundError, *DECODE_ERRORS):
        return None
    if copy.layout != MODEL_COPY_LAYOUT:
        return None
    return CityModel(
        version=copy.version,
        city=copy.city,
        entities={one.id: one for one in copy.entities},
        sensors={one.id: one for one in copy.sensors},
        datastreams=index_by_id(copy.datastreams),
        properties={one.name: one for one in copy.properties},
        feeds=copy.feeds,
        calibrations=copy.calibrations,
        maintenance=copy.maintenance,
        rules={one.id: one for one in copy.rules},
        duty=copy.duty,
    )
