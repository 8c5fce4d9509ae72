"""The datastreams whose single readings a principal may read."""

from __future__ import annotations

from collections.abc import Sequence

from api.access.rights import Rights
from storage.history.observation_columns import ObservedDatastream
from twin.model.city_model import CityModel
from twin.model.role import may_read_readings


def readable_series(
    series: Sequence[ObservedDatastream], rights: Rights, model: CityModel
) -> list[ObservedDatastream]:
    """Return the datastreams whose single readings a principal may read.

    Those of a household stay personal data after its sensor has left the model.
    """
    return [
        each
        for each in series
        if may_read_readings(rights.role_at(each.entity), personal=is_personal(each, model))
    ]


def is_personal(each: ObservedDatastream, model: CityModel) -> bool:
    """Return whether the single readings of a datastream are personal data."""
    sensor = model.sensors.get(each.source.sensor)
    # A change of the model may not be stored yet, or not be in effect here.
    return each.source.personal or (sensor is not None and sensor.personal)
