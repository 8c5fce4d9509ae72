"""The MQTT messages of the devices of a simulated city, after their faults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from simulators.faults import (
    DeviceReading,
    DeviceReport,
    PlannedFault,
    ReportDelivery,
    apply_faults,
    faults_for_sensor,
    random_fault_plan,
)
from simulators.faults.fault_plan import FAULT_TYPES
from tests.simulation.city.random_city import RandomCity, SensorTruth, has_outages
from tests.simulation.scenario import Scenario
from twin.instant import Instant, format_instant

BACKLOG_FAULTS = ("backlog", "swapped-halves")
CORRECTION_FAULTS = ("correction",)
EARLIER_FAULTS = tuple(name for name in FAULT_TYPES if name not in (*BACKLOG_FAULTS, *CORRECTION_FAULTS))

DOUBTFUL_SHARE = 0.02

UPTIME = "uptime"
"""The field by which the built-in counters say how long they watched."""

GARBAGE_SHARE = 0.01
_GARBAGE = (b"", b"{", b'{"values": {"x": 1}}', b'{"time": "never", "values": {"pm2_5": 1}}', b"\xff\x00")


@dataclass(frozen=True, slots=True)
class DeviceMessage:
    """A message that arrives at ingest."""

    arrival: Instant
    sensor: str
    topic: str
    payload: bytes
    delivery: ReportDelivery | None  #: None: garbage
    is_doubtful: bool = False  #: by what the source says: a word, or the uptime of a counter


def fault_plan(scenario: Scenario, city: RandomCity) -> list[PlannedFault]:
    """Return the faults of a scenario."""
    if not scenario.faults:
        return []
    return [
        fault
        for purpose, kinds in (
            ("faults", EARLIER_FAULTS),
            ("backlogs", BACKLOG_FAULTS if scenario.backlogs else ()),
            ("corrections", CORRECTION_FAULTS if scenario.corrections else ()),
        )
        if kinds
        for fault in random_fault_plan(
            scenario.dice(purpose).getrandbits(32),
            tuple(city.truths),
            start=city.start,
            span=city.span,
            kinds=kinds,
        )
    ]


def device_messages(
    scenario: Scenario, city: RandomCity, plan: Sequence[PlannedFault]
) -> list[DeviceMessage]:
    """Return the messages of a scenario, in order of arrival."""
    found: list[DeviceMessage] = []
    for sensor, truth in city.truths.items():
        interval = city.model.sensors[sensor].interval
        reports = _reports(truth, city.start + city.span, interval)
        dice = scenario.dice(f"faults of {sensor}")
        topic = f"livetwin/town/{sensor}/observations"
        moment, delay = -1, 0
        deliveries = apply_faults(reports, faults_for_sensor(plan, sensor), dice)
        if has_outages(scenario):
            deliveries = _with_outage(list(deliveries), scenario.dice(f"outage of {sensor}"))
        for delivery in deliveries:
            # Messages of a device that were sent in one moment arrive in one.
            if delivery.arrival != moment:
                moment, delay = delivery.arrival, dice.randrange(2_000_000)
            arrival = delivery.arrival + delay
            source = _source_says(scenario, city, sensor, delivery.number)
            payload = _payload(delivery, source, sends_time=truth.sends_time)
            found.append(DeviceMessage(arrival, sensor, topic, payload, delivery, source.is_doubtful))
    if scenario.garbage:
        found += _garbage(scenario, city, len(found))
    found.sort(key=lambda one: (one.arrival, one.sensor))
    return found[: scenario.messages]


def _with_outage(deliveries: list[ReportDelivery], dice: Random) -> list[ReportDelivery]:
    """Return the deliveries of a device that keeps two parts of them, and sends both when the later one ends.

    The hours between the parts are about as many as the stream has in memory.
    """
    kept, newest = dice.randint(2, 12), dice.randint(1, 14)
    begin = dice.randrange(max(1, len(deliveries) - 50))
    between = dice.randint(28, 48)
    first, second = slice(begin, begin + kept), slice(begin + kept + between, begin + kept + between + newest)
    if not deliveries[second]:
        return deliveries
    arrival = max(one.arrival for one in deliveries[second])
    late = [one._replace(arrival=arrival) for one in (*deliveries[first], *deliveries[second])]
    return [
        *deliveries[: first.start],
        *deliveries[first.stop : second.start],
        *late,
        *deliveries[second.stop :],
    ]


def _reports(truth: SensorTruth, end: Instant, interval: int) -> Iterator[DeviceReport]:
    for due in range(truth.first, end, interval):
        time = due if truth.sends_time else None
        yield DeviceReport(
            due, tuple(DeviceReading(name, time, take()) for name, take in truth.signals.items())
        )


class _Source(NamedTuple):
    """What a device says of the values of a report."""

    word: str = ""
    uptime: float | None = None

    @property
    def is_doubtful(self) -> bool:
        return bool(self.word) or self.uptime == 0.0


def _source_says(scenario: Scenario, city: RandomCity, sensor: str, number: int) -> _Source:
    dice = scenario.dice(f"source of {sensor} {number}")
    if not scenario.doubts:
        return _Source()
    word = "doubtful" if dice.random() < DOUBTFUL_SHARE else ""
    observed = {one.property for one in city.model.datastreams.values() if one.sensor == sensor}
    watches = any(city.model.properties[one].quality.valid_when is not None for one in observed)
    uptime = dice.choice((0.0, 0.2, 1.0, 1.0, 1.0)) if watches else None
    return _Source(word, uptime)


def _payload(delivery: ReportDelivery, source: _Source, *, sends_time: bool) -> bytes:
    values = {one.field: one.value for one in delivery.readings}
    document: dict[str, object] = {"values": values}
    if source.uptime is not None:
        values[UPTIME] = source.uptime
    if source.word:
        document["quality"] = source.word
    if sends_time:
        time = delivery.readings[0].time
        assert time is not None
        document["time"] = format_instant(time)
    return json.dumps(document).encode()


def _garbage(scenario: Scenario, city: RandomCity, count: int) -> Iterator[DeviceMessage]:
    dice = scenario.dice("garbage")
    names = (*city.truths, "nobody")
    for _ in range(count):
        if dice.random() < GARBAGE_SHARE:
            arrival, sensor = city.start + dice.randrange(city.span), dice.choice(names)
            topic = f"livetwin/town/{sensor}/observations"
            yield DeviceMessage(arrival, sensor, topic, dice.choice(_GARBAGE), None)
