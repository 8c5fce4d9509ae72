"""The account of what was sent, so that a test can prove that all of it arrived.

Bounded by the number of sensors: a total for each, not a line for each message.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from simulators.devices.device import SimulatedMessage
from twin.instant import Instant, format_instant
from twin.model.sensor import Sensor


@dataclass(slots=True)
class DatastreamTotals:
    """What one datastream was sent: how many distinct times, and the last value."""

    observations: int = 0
    last_value: float = 0.0
    last_time: Instant | None = None


@dataclass(slots=True)
class SensorTotals:
    """What one sensor sent."""

    feed: str
    messages: int = 0
    first: Instant = 0
    last: Instant = 0
    #: by (property, entity, field): two fields of a sensor may observe one property
    datastreams: dict[tuple[str, str, str], DatastreamTotals] = field(default_factory=dict)


class SentJournal:
    """Totals per sensor and datastream."""

    def __init__(self) -> None:
        self.sensors: dict[str, SensorTotals] = {}
        self.messages = 0

    def record(self, sensor: Sensor, instant: Instant, message: SimulatedMessage) -> None:
        """Count a message. A gas reading that a meter repeats in every telegram is one observation."""
        account = self.sensors.get(sensor.id)
        if account is None:
            account = self.sensors[sensor.id] = SensorTotals(sensor.feed, first=instant)
        account.messages += 1
        account.last = instant
        self.messages += 1
        for expectation in message.expected:
            one = expectation.datastream
            stream = account.datastreams.setdefault((one.property, one.entity, one.field), DatastreamTotals())
            if expectation.time is None or expectation.time != stream.last_time:
                stream.observations += 1
            stream.last_time = expectation.time
            stream.last_value = expectation.value

    def write(self, path: Path, *, unacknowledged: int) -> None:
        """Write one JSON line a sensor, and a last one with the totals."""
        with path.open("w", encoding="utf-8") as file:
            for name, account in sorted(self.sensors.items()):
                file.write(json.dumps(_line(name, account)) + "\n")
            totals = {
                "messages": self.messages,
                "observations": sum(
                    stream.observations
                    for one in self.sensors.values()
                    for stream in one.datastreams.values()
                ),
                "unacknowledged": unacknowledged,
            }
            file.write(json.dumps(totals) + "\n")


def _line(name: str, account: SensorTotals) -> dict[str, object]:
    return {
        "sensor": name,
        "feed": account.feed,
        "messages": account.messages,
        "first": format_instant(account.first),
        "last": format_instant(account.last),
        "datastreams": [
            {
                "property": property,
                "entity": entity,
                "field": field,
                "observations": stream.observations,
                "lastValue": stream.last_value,
                "lastTime": None if stream.last_time is None else format_instant(stream.last_time),
            }
            for (property, entity, field), stream in account.datastreams.items()
        ],
    }
