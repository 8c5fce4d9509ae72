"""Maps device and field names of a feed to datastreams, and units to canonical units."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from ingest.decoding import Decoder
from twin.errors import UnitError
from twin.instant import Duration
from twin.model.city_model import CityModel
from twin.model.observed_property import ObservedProperty
from twin.model.sensor import Datastream, Sensor
from twin.model.units import UnitConversion, known_units, unit_conversion
from twin.quality.connection_power import CONNECTION_POWERS, connection_power_max
from twin.quality.valid_when import ValidWhen
from twin.wire.messages import partition_of

_SHOWN_CHARACTERS = 40


class FieldTarget(NamedTuple):
    """A datastream that a field of a device maps to, with the data that each value needs."""

    datastream: Datastream
    property: ObservedProperty  #: with narrower bounds where those of the connection are narrower
    conversion: UnitConversion  #: from the unit that the city declares
    id: int  #: of the datastream
    minimum: float  #: of the property; finite
    maximum: float
    age_max: Duration | None  #: of the property; None: the limit of ingest
    #: conditions on other fields of the message, with the decoder's names of the fields
    valid_when: tuple[ValidWhen, ...] = ()


@dataclass(frozen=True, slots=True)
class MappedDevice:
    """A device of the city: its sensor, the partition of its entity, and the targets of its fields."""

    sensor: Sensor
    partition: int
    targets: Mapping[str, tuple[FieldTarget, ...]]
    condition_fields: frozenset[str]  #: those that other values depend on


class DeviceMap:
    """The devices of one version of the city model, by feed and name."""

    def __init__(self, model: CityModel, decoders: Mapping[str, Decoder], partitions: int) -> None:
        self._devices: dict[tuple[str, str], MappedDevice] = {}
        self._unit_conversions: dict[tuple[int, str], UnitConversion | UnitError] = {}
        aliases = {feed: decoder.aliases for decoder in decoders.values() for feed in decoder.feeds}
        aliases |= {
            feed.id: decoders[feed.decoder].aliases for feed in model.feeds if feed.decoder in decoders
        }
        by_sensor: defaultdict[str, list[Datastream]] = defaultdict(list)
        for datastream in model.datastreams.values():
            by_sensor[datastream.sensor].append(datastream)
        for sensor in model.sensors.values():
            names = aliases.get(sensor.feed, {})
            targets: defaultdict[str, list[FieldTarget]] = defaultdict(list)
            for datastream in by_sensor[sensor.id]:
                targets[names.get(datastream.field, datastream.field)].append(
                    _field_target(datastream, _bounded_property(model, sensor, datastream), names)
                )
            device = MappedDevice(
                sensor,
                partition_of(sensor.entity, partitions),
                {field: tuple(found) for field, found in targets.items()},
                frozenset(
                    condition.field
                    for found in targets.values()
                    for target in found
                    for condition in target.valid_when
                ),
            )
            self._devices[sensor.feed, sensor.device.lower()] = device

    def find(self, feeds: tuple[str, ...], name: str) -> MappedDevice | None:
        """Return the device with this name in one of the feeds; the case of letters does not matter."""
        name = name.lower()
        for feed in feeds:
            device = self._devices.get((feed, name))
            if device is not None:
                return device
        return None

    def conversion(self, target: FieldTarget, unit: str | None) -> UnitConversion:
        """Return the conversion from `unit` to the canonical unit; None is the unit that the city declares.

        A unit in the payload is first converted to the declared unit, then by the datastream's scale and
        offset. Results are cached for known units only. Raises UnitError.
        """
        datastream = target.datastream
        if unit is None or unit == datastream.unit:
            return target.conversion
        key = datastream.id, unit
        known = self._unit_conversions.get(key)
        if known is None:
            if unit not in known_units():
                raise UnitError(f"unit {unit[:_SHOWN_CHARACTERS]!r} is unknown")
            try:
                known = target.conversion.after(unit_conversion(unit, datastream.unit))
            except UnitError as error:
                known = error
            self._unit_conversions[key] = known
        if isinstance(known, UnitError):
            raise known
        return known


def _bounded_property(model: CityModel, sensor: Sensor, datastream: Datastream) -> ObservedProperty:
    """Return the property of a datastream; that of a household's power is bounded by its connection."""
    observed = model.properties[datastream.property]
    if not sensor.personal or observed.name not in CONNECTION_POWERS:
        return observed
    entity = model.entities.get(sensor.entity)
    power = connection_power_max(entity.attributes if entity is not None else {})
    return replace(observed, maximum=min(observed.maximum, power))


def _field_target(
    datastream: Datastream, observed: ObservedProperty, aliases: Mapping[str, str]
) -> FieldTarget:
    conditions = (observed.quality.valid_when, datastream.valid_when)
    return FieldTarget(
        datastream,
        observed,
        UnitConversion(datastream.scale, datastream.offset),
        datastream.id,
        max(observed.minimum, -sys.float_info.max),
        min(observed.maximum, sys.float_info.max),
        observed.age_max,
        tuple(
            replace(condition, field=aliases.get(condition.field, condition.field))
            for condition in conditions
            if condition is not None and condition.field != datastream.field
        ),
    )
