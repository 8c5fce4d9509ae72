"""The model of one city: its entities, observed properties, sensors and datastreams, indexed for use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from twin.alarms.rules.rule import Rule
from twin.instant import Duration
from twin.model.calibration import Calibration, Maintenance
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.duty import NO_DUTY_PLAN, DutyPlan
from twin.model.entity import Entity
from twin.model.maintenance_window import MaintenanceSchedule, MaintenanceWindow, WindowIndex
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Theme
from twin.model.recurrence import RecurringPeriod
from twin.model.sensor import Datastream, Sensor
from twin.model.sensor_register import NO_REGISTER, SensorRegister
from twin.model.site import NO_SITE, FileDigests, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Identity and time zone of the city, and what it says of itself."""

    id: str
    name: str
    timezone: str  #: IANA name; only queries use it
    sensor_register: SensorRegister = NO_REGISTER
    site: Site = NO_SITE
    files: FileDigests = field(default_factory=dict)  #: of the page; the database has their content


@dataclass(frozen=True, slots=True, kw_only=True)
class CityFeed:
    """A feed that the city adds to the built-in ones: topic filter and decoder."""

    id: str
    filter: str  #: MQTT topic filter
    decoder: str  #: name of a decoder in `ingest.decoders`
    #: the topic level with the device id, for decoders that read it from the topic
    device_level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CityModel:
    """The whole city model as one immutable value, indexed for the roles.

    The database assigns the version: it rises with every `livetwin apply` that changes something.
    """

    version: int
    city: City
    entities: Mapping[str, Entity]
    sensors: Mapping[str, Sensor]
    datastreams: Mapping[int, Datastream]
    properties: Mapping[str, ObservedProperty] = field(default_factory=lambda: BUILT_IN_PROPERTIES)
    feeds: tuple[CityFeed, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    maintenance_windows: Mapping[str, MaintenanceWindow] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    withdrawn_rules: Mapping[str, Rule] = field(default_factory=dict)  #: deleted ones as they last were
    rule_authors: Mapping[str, str] = field(default_factory=dict)  #: who last changed or deleted each rule
    duty: DutyPlan = NO_DUTY_PLAN
    entity_types: frozenset[str] = field(init=False, repr=False, compare=False)  #: those that entities have
    _by_entity: Mapping[str, tuple[Datastream, ...]] = field(init=False, repr=False, compare=False)
    _by_sensor: Mapping[str, tuple[Datastream, ...]] = field(init=False, repr=False, compare=False)
    _children: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _calibrations: Mapping[tuple[str, str], tuple[Calibration, ...]] = field(
        init=False, repr=False, compare=False
    )
    _maintenance: Mapping[str, tuple[Maintenance, ...]] = field(init=False, repr=False, compare=False)
    _windows: WindowIndex = field(init=False, repr=False, compare=False)
    _sensor_schedules: dict[str, MaintenanceSchedule] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _policies: dict[int, DatastreamPolicy] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    #: the grid of each rolled-up name, filled by `twin.model.names.series_interval`
    series_intervals: dict[str, Duration] = field(init=False, repr=False, compare=False, default_factory=dict)
    #: how many entities roll up, by area and name, filled by `twin.state.area_members.expected_members`
    expected_members: dict[tuple[str, str], int] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        by_entity: defaultdict[str, list[Datastream]] = defaultdict(list)
        by_sensor: defaultdict[str, list[Datastream]] = defaultdict(list)
        for datastream in sorted(self.datastreams.values(), key=lambda one: one.id):
            by_entity[datastream.entity].append(datastream)
            by_sensor[datastream.sensor].append(datastream)
        children: defaultdict[str, list[str]] = defaultdict(list)
        for entity in self.entities.values():
            if entity.parent is not None:
                children[entity.parent].append(entity.id)
        calibrations: defaultdict[tuple[str, str], list[Calibration]] = defaultdict(list)
        for calibration in sorted(self.calibrations, key=lambda one: one.start):
            calibrations[calibration.sensor, calibration.property].append(calibration)
        maintenance: defaultdict[str, list[Maintenance]] = defaultdict(list)
        for period in self.maintenance:
            maintenance[period.sensor].append(period)
        object.__setattr__(self, "_calibrations", {key: tuple(value) for key, value in calibrations.items()})
        object.__setattr__(self, "_maintenance", {key: tuple(value) for key, value in maintenance.items()})
        object.__setattr__(self, "_windows", WindowIndex(self.maintenance_windows.values()))
        types = frozenset(entity.type for entity in self.entities.values())
        object.__setattr__(self, "entity_types", types)
        object.__setattr__(self, "_by_entity", {key: tuple(value) for key, value in by_entity.items()})
        object.__setattr__(self, "_by_sensor", {key: tuple(value) for key, value in by_sensor.items()})
        object.__setattr__(self, "_children", {key: tuple(value) for key, value in children.items()})

    def datastreams_of(self, entity: str, property: str | None = None) -> tuple[Datastream, ...]:
        """Return the datastreams of an entity, of one property or of all, ordered by id."""
        datastreams = self._by_entity.get(entity, ())
        if property is None:
            return datastreams
        return tuple(one for one in datastreams if one.property == property)

    def calibrations_of(self, datastream: Datastream) -> tuple[Calibration, ...]:
        """Return the calibrations of a datastream, ordered by their start."""
        return self._calibrations.get((datastream.sensor, datastream.property), ())

    def windows_of(self, datastream: Datastream) -> tuple[MaintenanceWindow, ...]:
        """Return the maintenance windows that cover a datastream."""
        if not self.maintenance_windows:
            return ()
        places = tuple(self.around(datastream.entity))
        return self._windows.of(datastream.sensor, datastream.property, places)

    def maintenance_of(self, datastream: Datastream) -> MaintenanceSchedule:
        """Return when a datastream is in maintenance: by its sensor, and by maintenance windows."""
        return self._schedule(datastream.sensor, self.windows_of(datastream))

    def maintenance_of_sensor(self, sensor: str) -> MaintenanceSchedule:
        """Return when a sensor as a whole is in maintenance: with all that it observes."""
        schedule = self._sensor_schedules.get(sensor)
        if schedule is None:
            schedule = self._sensor_schedules[sensor] = self._schedule(
                sensor, self._windows_of_sensor(sensor)
            )
        return schedule

    def _windows_of_sensor(self, sensor: str) -> tuple[MaintenanceWindow, ...]:
        if not self.maintenance_windows or sensor not in self.sensors:
            return ()
        observed = self._by_sensor.get(sensor, ())
        if not observed:
            return tuple(one for one in self._windows.of(sensor, "", ()) if not one.properties)
        first, *others = (self.windows_of(one) for one in observed)
        return tuple(window for window in first if all(window in each for each in others))

    def _schedule(self, sensor: str, windows: tuple[MaintenanceWindow, ...]) -> MaintenanceSchedule:
        periods = [RecurringPeriod(one.start, one.end) for one in self._maintenance.get(sensor, ())]
        return MaintenanceSchedule.of(periods + [one.period(self.city.timezone) for one in windows])

    def policy_of(self, datastream: Datastream) -> DatastreamPolicy:
        """Return how the observations of a datastream are calibrated, checked and put into windows."""
        policy = self._policies.get(datastream.id)
        if policy is None:
            sensor = self.sensors.get(datastream.sensor)
            policy = self._policies[datastream.id] = DatastreamPolicy.of(
                self.properties[datastream.property],
                datastream.interval,
                self.calibrations_of(datastream),
                self.maintenance_of(datastream),
                personal=sensor is not None and sensor.personal,
            )
        return policy

    def interval_of(self, entity: str) -> Duration:
        """Return the shortest reporting interval of the entity's sensors; 0 where it has none."""
        return min((one.interval for one in self.datastreams_of(entity)), default=0)

    def within(self, area: str) -> Iterator[str]:
        """Yield the ids of the area itself and of all entities in it."""
        waiting = [area]
        while waiting:
            current = waiting.pop()
            yield current
            waiting.extend(self._children.get(current, ()))

    def around(self, entity: str) -> Iterator[str]:
        """Yield the ids of the entity itself and of all areas around it, from the nearest on."""
        visited: set[str] = set()
        current: str | None = entity
        while current is not None and current in self.entities and current not in visited:
            visited.add(current)
            yield current
            current = self.entities[current].parent

    def themes_of(self, entity: str) -> frozenset[Theme]:
        """Return the themes of the properties that are observed on an entity."""
        return frozenset(self.properties[one.property].theme for one in self.datastreams_of(entity))


@dataclass(frozen=True, slots=True, kw_only=True)
class CityPlan:
    """The content of a city folder: the model before the database assigns a version and datastream ids.

    The datastreams of a plan have id 0; a datastream's identity is (sensor, property, entity).
    """

    city: City
    entities: tuple[Entity, ...]
    sensors: tuple[Sensor, ...]
    datastreams: tuple[Datastream, ...]
    properties: tuple[ObservedProperty, ...] = ()  #: those that the city adds to the built-in ones
    feeds: tuple[CityFeed, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    maintenance_windows: tuple[MaintenanceWindow, ...] = ()
    rules: tuple[Rule, ...] = ()
    duty: DutyPlan = NO_DUTY_PLAN
    #: content by name of the files whose digests `city` has; a plan that was made of a model has none
    files: Mapping[str, bytes] = field(default_factory=dict)

    def model(self, version: int) -> CityModel:
        """Return the model of this plan in an empty database."""
        numbered = (replace(one, id=number) for number, one in enumerate(self.datastreams, 1))
        return CityModel(
            version=version,
            city=self.city,
            entities={one.id: one for one in self.entities},
            sensors={one.id: one for one in self.sensors},
            datastreams=index_by_id(numbered),
            properties={**BUILT_IN_PROPERTIES, **{one.name: one for one in self.properties}},
            feeds=self.feeds,
            calibrations=self.calibrations,
            maintenance=self.maintenance,
            maintenance_windows={one.id: one for one in self.maintenance_windows},
            rules={one.id: one for one in self.rules},
            duty=self.duty,
        )


def index_by_id(datastreams: Iterable[Datastream]) -> dict[int, Datastream]:
    """Return a mapping from id to datastream."""
    return {one.id: one for one in datastreams}
