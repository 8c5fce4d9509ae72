"""The load of the case `sinks`: what ingest and stream put on the log at a high rate, made up without them.

Each message holds one reading of the next datastream; each reading changes one property of one entity. The
windows of a minute are told as the minute passes. All of it is a function of the number of the record.
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

# A window of ten minutes and one of an hour beside ten and sixty of a minute are a tenth more.
_WINDOWS_A_MINUTE = 1


class LogLoad(NamedTuple):
    """How much of everything there is."""

    datastreams: int
    rate: int  #: messages a second of log time
    record: int  #: messages in a record of `observations`


class LogStep(NamedTuple):
    """What the log holds of one record of ingest."""

    observations: LogRecord
    updates: LogRecord
    aggregates: LogRecord | None


def entity_and_property(datastream: int) -> tuple[str, str]:
    """Return entity and property that a datastream (from 1) observes."""
    site, what = divmod(datastream - 1, len(PROPERTIES))
    return f"{CITY}.site-{site:05d}", PROPERTIES[what][0]


def log_city(load: LogLoad) -> CityModel:
    """Return the city of a load."""
    names = [entity_and_property(number) for number in range(1, load.datastreams + 1)]
    builder = CityBuilder(CITY, "Benchmark").entity(CITY, "Municipality", "Benchmark")
    for site in sorted({entity for entity, _ in names}):
        builder.entity(site, "MonitoringSite", parent=CITY)
    for number, (entity, property) in enumerate(names, 1):
        builder.sensor(f"sensor-{number:05d}", entity, property)
    return builder.model()


def log_steps(load: LogLoad, count: int) -> Iterator[LogStep]:
    """Yield what `count` records of ingest become, over the partitions in turn."""
    windows_due = 0.0
    window = 0
    for number in range(count):
        first = number * load.record
        readings = [_reading(load, one) for one in range(first, first + load.record)]
        partition, offset = number % PARTITIONS, number // PARTITIONS
        time = readings[-1].received_time + 1000
        windows_due += load.record * load.datastreams * _WINDOWS_A_MINUTE / (60 * load.rate)
        told = int(windows_due)
        windows_due -= told
        yield LogStep(
            _record(topics.OBSERVATIONS, partition, offset, _observations(readings, first, time)),
            _record(topics.UPDATES, partition, offset, _updates(load, readings, first)),
            _record(
                topics.AGGREGATES,
                partition,
                offset,
                _aggregates(load, range(window, window + told), time, offset),
            )
            if told
            else None,
        )
        window += told


def _record(topic: str, partition: int, offset: int, value: bytes) -> LogRecord:
    return LogRecord(topic, partition, offset, START // 1000, value)


def _reading(load: LogLoad, number: int) -> Observation:
    # A device tells milliseconds; each datastream at times of its own.
    measured = START + number * SECOND // load.rate // 1000 * 1000
    value = round(20 + (number * 7919 % 4000) / 100, 2)
    return Observation(1 + number % load.datastreams, measured, measured + 7_123 + number % 997, value)


def _observations(readings: list[Observation], first: int, time: Instant) -> bytes:
    headers, payloads = [], []
    for number, one in enumerate(readings, first):
        sensor = f"sensor-{one.datastream:05d}"
        measured = format_instant(one.phenomenon_time)
        property = entity_and_property(one.datastream)[1]
        payload = f'{{"time":"{measured}","values":{{"{property}":{one.value}}}}}'.encode()
        payloads.append(payload)
        headers.append(
            MessageHeader(
                number,
                one.received_time,
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
    told = []
    for number, one in enumerate(readings, first):
        entity, what = entity_and_property(one.datastream)
        told.append(
            Update(
                entity,
                what,
                1 + number // load.datastreams * len(PROPERTIES) + (one.datastream - 1) % len(PROPERTIES),
                one.value,
                one.phenomenon_time,
                one.received_time,
                one.flags,
                (one.datastream,),
                one,
            )
        )
    return UPDATES.encode(UpdateBatch(LAYOUT_VERSION, tuple(told)))


def _aggregates(load: LogLoad, numbers: range, time: Instant, offset: int) -> bytes:
    told = [
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
    return AGGREGATES.encode(AggregateBatch(LAYOUT_VERSION, time, offset, tuple(told), (), ()))
