"""Builds a city one entity and one sensor at a time, and returns it as a model or as a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Self

from twin.instant import MINUTE, Duration
from twin.model.city_model import City, CityModel, CityPlan, index_by_id
from twin.model.entity import Entity, Geometry, Relation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.sensor import Datastream, Sensor
from twin.quality.valid_when import ValidWhen


class Observed(NamedTuple):
    """One datastream of a sensor."""

    property: str
    unit: str = ""  #: empty: the canonical unit of the property
    field: str = ""  #: empty: the name of the property
    scale: float = 1.0
    offset: float = 0.0
    interval: Duration | None = None  #: None: the interval of the sensor
    valid_when: ValidWhen | None = None


class CityBuilder:
    """Collects entities, sensors and datastreams.

    By default a sensor has the feed `native`, its own id as device, and reports each minute; datastreams are
    numbered from 1 in the order in which they were added.
    """

    def __init__(self, id: str = "town", name: str = "Town", timezone: str = "Europe/Amsterdam") -> None:
        self._city = City(id=id, name=name, timezone=timezone)
        self._next_datastream = 1
        self._entities: dict[str, Entity] = {}
        self._sensors: dict[str, Sensor] = {}
        self._datastreams: list[Datastream] = []

    @classmethod
    def of(cls, model: CityModel, next_datastream: int | None = None) -> Self:
        """Return a builder that already holds the entities, sensors and datastreams of a model.

        `next_datastream` is the id of the next datastream; by default it follows the greatest id.
        """
        builder = cls(model.city.id, model.city.name, model.city.timezone)
        builder._next_datastream = next_datastream or max(model.datastreams, default=0) + 1
        builder._entities.update(model.entities)
        builder._sensors.update(model.sensors)
        builder._datastreams += model.datastreams.values()
        return builder

    def entity(
        self,
        id: str,
        type: str,
        name: str = "",
        *,
        parent: str | None = None,
        geometry: Geometry | None = None,
        attributes: Mapping[str, Any] | None = None,
        relations: tuple[Relation, ...] = (),
    ) -> Self:
        """Add an entity.

        The default parent is the entity whose id stands before the last dot, where there is one.
        """
        prefix = id.rpartition(".")[0]
        self._entities[id] = Entity(
            id=id,
            type=type,
            name=name or id,
            parent=parent if parent is not None else prefix if prefix in self._entities else None,
            geometry=geometry,
            attributes=attributes if attributes is not None else {},
            relations=relations,
        )
        return self

    def entities(self, entities: Iterable[Entity]) -> Self:
        """Add entities that are complete."""
        self._entities.update((entity.id, entity) for entity in entities)
        return self

    def sensor(
        self,
        id: str,
        entity: str,
        *observed: str | Observed,
        feed: str = "native",
        device: str = "",
        interval: Duration = MINUTE,
        personal: bool = False,
        gateway: str = "",
    ) -> Self:
        """Add a sensor on an entity, with a datastream for each property that it observes."""
        self._sensors[id] = sensor = Sensor(
            id=id,
            feed=feed,
            device=device or id,
            entity=entity,
            interval=interval,
            personal=personal,
            gateway=gateway,
        )
        for property in observed:
            wanted = Observed(property) if isinstance(property, str) else property
            self._datastreams.append(self._datastream(sensor, wanted))
            self._next_datastream += 1
        return self

    def model(self, version: int = 1, **fields: Any) -> CityModel:
        """Return the city as a model; `fields` are further fields of `CityModel`."""
        return CityModel(
            version=version,
            city=self._city,
            entities=dict(self._entities),
            sensors=dict(self._sensors),
            datastreams=index_by_id(self._datastreams),
            **fields,
        )

    def plan(self, **fields: Any) -> CityPlan:
        """Return the city as a plan; `fields` are further fields of `CityPlan`."""
        return CityPlan(
            city=self._city,
            entities=tuple(self._entities.values()),
            sensors=tuple(self._sensors.values()),
            datastreams=tuple(replace(one, id=0) for one in self._datastreams),
            **fields,
        )

    def _datastream(self, sensor: Sensor, observed: Observed) -> Datastream:
        return Datastream(
            id=self._next_datastream,
            sensor=sensor.id,
            entity=sensor.entity,
            property=observed.property,
            field=observed.field or observed.property,
            unit=observed.unit or BUILT_IN_PROPERTIES[observed.property].unit,
            scale=observed.scale,
            offset=observed.offset,
            interval=observed.interval or sensor.interval,
            valid_when=observed.valid_when,
        )


def plan_of(model: CityModel) -> CityPlan:
    """Return the plan that makes an empty database hold a model."""
    builder = CityBuilder.of(model)
    return replace(
        builder.plan(),
        properties=tuple(
            one for name, one in model.properties.items() if BUILT_IN_PROPERTIES.get(name) != one
        ),
        feeds=model.feeds,
        calibrations=model.calibrations,
        maintenance=model.maintenance,
        maintenance_windows=tuple(model.maintenance_windows.values()),
        rules=tuple(model.rules.values()),
        duty=model.duty,
    )
