"""A town whose sensors misbehave: what they send is late, twice, corrected, missing, stuck and reset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.support.payloads.observation_records import encode_observations
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant
from twin.model.city_model import City, CityModel, CityPlan
from twin.model.entity import Entity
from twin.model.observation import Observation
from twin.model.sensor import Datastream, Sensor
from twin.wire.messages import partition_of

STREETS = 6
METERS = 12
START: Instant = 1_795_000_000 * SECOND // HOUR * HOUR
SPAN: Duration = 2 * HOUR + 20 * MINUTE
LATE_MAX: Duration = 40 * MINUTE
SLOT: Duration = 20 * SECOND
"""What arrives in it is a record or two of each partition; one without observations is a tick."""

RECORD_GAP: Duration = SECOND // 4
"""Two records in one second of the log: what is told once a second waits in between."""

ENTITIES_WITH_MICROPHONE = STREETS + 1
"""Entities with a microphone: in every partition that has any entity."""

SLOTS = (SPAN + LATE_MAX) // SLOT + 18

_ON_A_STREET = (
    ("noise_level", "dB[A]", 10 * SECOND),
    ("wind_direction", "deg", 10 * SECOND),
    ("energy_import", "kWh", 20 * SECOND),
    ("vehicle_count", "1", MINUTE),
    ("no2", "ug/m3", MINUTE),
    ("pm2_5", "ug/m3", 5 * MINUTE),
)


class PartitionRecord(NamedTuple):
    """What one partition gets in one slot."""

    partition: int
    time: Instant
    record: bytes


def busy_city_plan() -> CityPlan:
    """Return the plan: streets in a district, and a transformer with enough household meters to be told."""
    entities = [
        Entity(id="town", type="Municipality", name="Town"),
        Entity(id="town.east", type="District", name="East", parent="town"),
    ]
    sensors: list[Sensor] = []
    datastreams: list[Datastream] = []

    def add(entity: str, name: str, what: tuple[str, str, Duration], *, personal: bool = False) -> None:
        property, unit, interval = what
        sensors.append(
            Sensor(id=name, feed="native", device=name, entity=entity, interval=interval, personal=personal)
        )
        datastreams.append(
            Datastream(
                id=0,
                sensor=name,
                entity=entity,
                property=property,
                field=property,
                unit=unit,
                scale=1.0,
                offset=0.0,
                interval=interval,
            )
        )

    for number in range(STREETS):
        street = f"town.street-{number}"
        entities.append(Entity(id=street, type="Road", name=street, parent="town.east"))
        for what in _ON_A_STREET:
            add(street, f"{what[0]}-{number}", what)
    entities.append(
        Entity(id="town.transformer", type="TransformerArea", name="Transformer", parent="town.east")
    )
    add("town.transformer", "noise_level-transformer", _ON_A_STREET[0])
    for number in range(METERS):
        add("town.transformer", f"meter-{number}", ("power_import", "kW", MINUTE), personal=True)
    return CityPlan(
        city=City(id="town", name="Town", timezone="Europe/Amsterdam"),
        entities=tuple(entities),
        sensors=tuple(sensors),
        datastreams=tuple(datastreams),
    )


def arriving_records(model: CityModel, seed: int, partitions: int) -> list[list[PartitionRecord]]:
    """Return what arrives, slot by slot: every partition gets a record or two, dated at the slot's end."""
    dice = Random(seed)
    slots: list[dict[int, list[Observation]]] = [defaultdict(list) for _ in range(SLOTS)]
    for datastream in model.datastreams.values():
        partition = partition_of(datastream.entity, partitions)
        for one in _observations_sent(datastream, dice):
            slots[(one.received_time - START) // SLOT][partition].append(one)
    return [
        [
            part
            for partition in range(partitions)
            for part in _partition_records(
                partition, START + (number + 1) * SLOT, found[partition], number % 2 == 0
            )
        ]
        for number, found in enumerate(slots)
    ]


def _partition_records(
    partition: int, time: Instant, arrived: list[Observation], divided: bool
) -> Iterator[PartitionRecord]:
    arrived = sorted(arrived, key=lambda one: one.received_time)
    if divided:
        # Minutes begin with a slot: most of what closes their windows is in the second record.
        some = arrived[: len(arrived) // 8]
        yield PartitionRecord(partition, time, encode_observations(some, time))
        arrived, time = arrived[len(some) :], time + RECORD_GAP
    yield PartitionRecord(partition, time, encode_observations(arrived, time))


def closing_records(model: CityModel, time: Instant, partitions: int) -> list[PartitionRecord]:
    """Return a last observation of each datastream, which closes every window before it."""
    found: defaultdict[int, list[Observation]] = defaultdict(list)
    for one in model.datastreams.values():
        found[partition_of(one.entity, partitions)].append(Observation(one.id, time, time, 42.0))
    return [
        PartitionRecord(partition, time, encode_observations(found[partition], time))
        for partition in range(partitions)
    ]


def _observations_sent(datastream: Datastream, dice: Random) -> Iterator[Observation]:
    """Yield what a sensor sends, in no order."""
    interval, counter = datastream.interval, datastream.property == "energy_import"
    gap = START + dice.randrange(SPAN)
    stuck = START + dice.randrange(SPAN)
    reset = START + dice.randrange(SPAN)
    value = 40.0 + dice.randrange(20)
    for time in range(START, START + SPAN, interval):
        if counter:
            value = 0.0 if reset <= time < reset + interval else value + dice.randrange(8) / 8
        elif not stuck <= time < stuck + 90 * interval:
            value = min(90.0, max(0.0, value + dice.randrange(-16, 17) / 8))
        told = value + 45.0 if not counter and dice.random() < 0.005 else value
        if gap <= time < gap + 20 * MINUTE or dice.random() < 0.03:
            continue
        delay = int(dice.expovariate(1.0) * SECOND)
        if dice.random() < 0.02:
            delay += dice.randrange(LATE_MAX - MINUTE)
        one = Observation(datastream.id, time, time + delay, told)
        yield one
        if dice.random() < 0.03:  # again, as it was
            yield one._replace(received_time=one.received_time + dice.randrange(5 * MINUTE))
        if not counter and dice.random() < 0.01:  # corrected, or contradicted by what came before
            other = one.received_time + dice.randrange(-MINUTE, 5 * MINUTE)
            yield one._replace(received_time=max(time, other), value=told + 1.0)
