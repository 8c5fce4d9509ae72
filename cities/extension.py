"""Adding a sensor to a city, with the checks of its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from cities.files.faults import CityError, CityFault
from cities.folder_reader import read_city
from cities.folder_writer import write_city
from twin.model.city_model import CityModel, CityPlan

SENSORS = "sensors.yaml"


def with_sensor(model: CityModel, item: Mapping[str, Any]) -> CityPlan:
    """Return the plan of the city with one more sensor; `item` is its entry in sensors.yaml.

    Writes the city into a temporary folder and reads it again, so the call blocks. Raises CityError with
    every fault of the sensor, `file` being `sensors.yaml`. The plan has no rules.
    """
    with TemporaryDirectory(prefix="livetwin-city-") as name:
        folder = Path(name)
        write_city(replace(model, rules={}), folder)
        path = folder / SENSORS
        listed = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {"sensors": []}
        listed["sensors"].append(dict(item))
        path.write_text(yaml.safe_dump(listed, sort_keys=False, allow_unicode=True), encoding="utf-8")
        try:
            return replace(read_city(folder), city=model.city)
        except CityError as error:
            faults = (CityFault(SENSORS, one.line, one.subject, one.message) for one in error.faults)
            raise CityError(faults) from None
