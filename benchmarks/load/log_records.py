"""The load of the case `sinks`: log records as ingest and stream write them at a high rate.

Each message has one reading of the next datastream; each reading changes one property of one entity.
One-minute windows are emitted evenly over the minute. Everything is a function of the number of the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from benchmarks.load.bench_city import PROPERTIES
from runtime.kafka import topics
from storage.historian.log_batch import LogRecord
from tests.support.cities.city_builder import CityBuilder
from twin.instant import MINUTE, SECOND, Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.state.window import Aggregate
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AGGREGATES,
    OBSERVATIONS,
    UPDATES,
    AggregateBatch,
    MessageHeader,
    MessageHeaders,
    ObservationBatch,
    Update,
    UpdateBatch,
    encode_headers,
    encode_payloads,
)

CITY = "bench"
PARTITIONS = 4
START: Instant = 1_795_000_000 * SECOND
SESSION = "bench-session"

# The windows of ten minutes and of an hour would add a tenth.
_WINDOWS_A_MINUTE = 1


class LogLoad(NamedTuple):
    """The size of the load."""

    datastreams: int
    rate: int  #: messages a second of log time
    record: int  #: messages in a record of `observations`


class LogStep(NamedTuple):
    """The log records that follow from one record of ingest."""

    observations: LogRecord
    updates: LogRecord
    aggregates: LogRecord | None


def entity_and_property(datastream: int) -> tuple[str, str]:
    """Return the entity and the property of a datastream (from 1)."""
    site, what = divmod(datastream - 1, len(PROPERTIES))
    return f"{CITY}.site-{site:05d}", PROPERTIES[what][0]


def log_city(load: LogLoad) -> CityModel:
    """Return the city model of a load."""
    names = [entity_and_property(number) for number in range(1, load.datastreams + 1)]
    builder = CityBuilder(CITY, "Benchmark").entity(CITY, "Municipality", "Benchmark")
    for site in sorted({entity for entity, _ in names}):
        builder.entity(site, "MonitoringSite", parent=CITY)
    for number, (entity, property) in enumerate(names, 1):
        builder.sensor(f"sensor-{number:05d}", entity, property)
    return builder.model()


def log_steps(load: LogLoad, count: int) -> Iterator[LogStep]:
    """Yield the log records of `count` records of ingest, on each partition in turn."""
    windows_due = 0.0
    window = 0
    for number in range(count):
        first = number * load.record
        readings = [_reading(load, one) for one in range(first, first + load.record)]
        partition, offset = number % PARTITIONS, number // PARTITIONS
        time = readings[-1].received_time + 1000
        windows_due += load.record * load.datastreams * _WINDOWS_A_MINUTE / (60 * load.rate)
        windows = int(windows_due)
        windows_due -= windows
        yield LogStep(
            _record(topics.OBSERVATIONS, partition, offset, _observations(readings, first, time)),
            _record(topics.UPDATES, partition, offset, _updates(load, readings, first)),
            _record(
                topics.AGGREGATES,
                partition,
                offset,
                _aggregates(load, range(window, window + windows), time, offset),
            )
            if windows
            else None,
        )
        window += windows


def _record(topic: str, partition: int, offset: int, value: bytes) -> LogRecord:
    return LogRecord(topic, partition, offset, START // 1000, value)


def _reading(load: LogLoad, number: int) -> Observation:
    # Devices send milliseconds; the datastreams have different times.
    measured = START + number * SECOND // load.rate // 1000 * 1000
    value = round(20 + (number * 7919 % 4000) / 100, 2)
    return Observation(1 + number % load.datastreams, measured, measured + 7_123 + number % 997, value)


def _observations(readings: list[Observation], first: int, time: Instant) -> bytes:
    headers, payloads = [], []
    for number, reading in enumerate(readings, first):
        sensor = f"sensor-{reading.datastream:05d}"
        measured = format_instant(reading.phenomenon_time)
        property = entity_and_property(reading.datastream)[1]
        payload = f'{{"time":"{measured}","values":{{"{property}":{reading.value}}}}}'.encode()
        payloads.append(payload)
        headers.append(
            MessageHeader(
                number,
                reading.received_time,
                f"livetwin/{CITY}/{sensor}/observations",
                "native",
                sensor,
                "native",
                1,
                1,
                len(payload),
                sha256(payload).digest(),
            )
        )
    return OBSERVATIONS.encode(
        ObservationBatch(
            LAYOUT_VERSION,
            tuple(readings),
            time,
            encode_headers(MessageHeaders(SESSION, tuple(headers))),
            encode_payloads(payloads),
        )
    )


def _updates(load: LogLoad, readings: list[Observation], first: int) -> bytes:
    updates = []
    for number, reading in enumerate(readings, first):
        entity, what = entity_and_property(reading.datastream)
        updates.append(
            Update(
                entity,
                what,
                1 + number // load.datastreams * len(PROPERTIES) + (reading.datastream - 1) % len(PROPERTIES),
                reading.value,
                reading.phenomenon_time,
                reading.received_time,
                reading.flags,
                (reading.datastream,),
                reading,
            )
        )
    return UPDATES.encode(UpdateBatch(LAYOUT_VERSION, tuple(updates)))


def _aggregates(load: LogLoad, numbers: range, time: Instant, offset: int) -> bytes:
    aggregates = [
        Aggregate(
            1 + number % load.datastreams,
            MINUTE,
            START + (number // load.datastreams - 1) * MINUTE,
            time,
            count := 60 * load.rate // load.datastreams,
            0,
            1.0,
            0,
            20.0,
            59.5,
            40.25,
            40.25 * count,
            33.0,
            41.5,
            bytes(range(48)),
        )
        for number in numbers
    ]
    return AGGREGATES.encode(AggregateBatch(LAYOUT_VERSION, time, offset, tuple(aggregates), (), ()))
