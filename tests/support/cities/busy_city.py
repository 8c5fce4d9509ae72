"""A city whose observations are late, duplicated, corrected, missing, stuck and reset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.support.cities.city_builder import CityBuilder
from tests.support.payloads.observation_records import encode_observations
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant
from twin.model.city_model import CityModel, CityPlan
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.wire.messages import partition_of

STREETS = 6
METERS = 12
START: Instant = 1_795_000_000 * SECOND // HOUR * HOUR
SPAN: Duration = 2 * HOUR + 20 * MINUTE
LATE_MAX: Duration = 40 * MINUTE
SLOT: Duration = 20 * SECOND
"""In a slot each partition receives one or two records; a record without observations is a tick."""

RECORD_GAP: Duration = SECOND // 4
"""Time between two records of one slot: less than the second for which updates are held back."""

ENTITIES_WITH_MICROPHONE = STREETS + 1
"""Entities with a microphone; every partition has at least one of them."""

SLOTS = (SPAN + LATE_MAX) // SLOT + 18

_ON_A_STREET: dict[str, Duration] = {
    "noise_level": 10 * SECOND,
    "wind_direction": 10 * SECOND,
    "energy_import": 20 * SECOND,
    "vehicle_count": MINUTE,
    "no2": MINUTE,
    "pm2_5": 5 * MINUTE,
}
"""Property and reporting interval of each sensor on a street."""


class PartitionRecord(NamedTuple):
    """A record that arrives in one partition in one slot."""

    partition: int
    time: Instant
    record: bytes


def busy_city_plan() -> CityPlan:
    """Return the plan: streets in a district, and a transformer with enough meters for a published sum."""
    builder = CityBuilder().entity("town", "Municipality", "Town").entity("town.east", "District", "East")
    for number in range(STREETS):
        street = f"town.street-{number}"
        builder.entity(street, "Road", parent="town.east")
        for property, interval in _ON_A_STREET.items():
            builder.sensor(f"{property}-{number}", street, property, interval=interval)
    builder.entity("town.transformer", "TransformerArea", "Transformer", parent="town.east")
    builder.sensor("noise_level-transformer", "town.transformer", "noise_level", interval=10 * SECOND)
    for number in range(METERS):
        builder.sensor(f"meter-{number}", "town.transformer", "power_import", personal=True)
    return builder.plan()


def arriving_records(model: CityModel, seed: int, partitions: int) -> list[list[PartitionRecord]]:
    """Return the records by slot: one or two for each partition, dated at the end of the slot."""
    dice = Random(seed)
    slots: list[dict[int, list[Observation]]] = [defaultdict(list) for _ in range(SLOTS)]
    for datastream in model.datastreams.values():
        partition = partition_of(datastream.entity, partitions)
        for observation in _observations_sent(datastream, dice):
            slots[(observation.received_time - START) // SLOT][partition].append(observation)
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
        # Minutes begin with a slot, so most observations that close a window are in the second record.
        some = arrived[: len(arrived) // 8]
        yield PartitionRecord(partition, time, encode_observations(some, time))
        arrived, time = arrived[len(some) :], time + RECORD_GAP
    yield PartitionRecord(partition, time, encode_observations(arrived, time))


def closing_records(model: CityModel, time: Instant, partitions: int) -> list[PartitionRecord]:
    """Return records with a last observation of each datastream, which closes every earlier window."""
    found: defaultdict[int, list[Observation]] = defaultdict(list)
    for datastream in model.datastreams.values():
        found[partition_of(datastream.entity, partitions)].append(
            Observation(datastream.id, time, time, 42.0)
        )
    return [
        PartitionRecord(partition, time, encode_observations(found[partition], time))
        for partition in range(partitions)
    ]


def _observations_sent(datastream: Datastream, dice: Random) -> Iterator[Observation]:
    """Yield the observations of a datastream, in no particular order."""
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
        reported = value + 45.0 if not counter and dice.random() < 0.005 else value
        if gap <= time < gap + 20 * MINUTE or dice.random() < 0.03:
            continue
        delay = int(dice.expovariate(1.0) * SECOND)
        if dice.random() < 0.02:
            delay += dice.randrange(LATE_MAX - MINUTE)
        observation = Observation(datastream.id, time, time + delay, reported)
        yield observation
        if dice.random() < 0.03:  # a duplicate
            yield observation._replace(received_time=observation.received_time + dice.randrange(5 * MINUTE))
        if not counter and dice.random() < 0.01:  # a correction, or an older value that arrives later
            other = observation.received_time + dice.randrange(-MINUTE, 5 * MINUTE)
            yield observation._replace(received_time=max(time, other), value=reported + 1.0)
