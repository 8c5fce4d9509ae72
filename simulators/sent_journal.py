"""The journal of sent messages, with which a test can prove that all of them arrived.

It has totals by sensor, not a line per message, so its size is bounded.
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
    """The totals of one datastream: its observations (distinct times), and the last value."""

    observations: int = 0
    last_value: float = 0.0
    last_time: Instant | None = None


@dataclass(slots=True)
class SensorTotals:
    """The totals of one sensor."""

    feed: str
    messages: int = 0
    first: Instant = 0
    last: Instant = 0
    #: by (property, entity, field), since two fields of a sensor may observe one property
    datastreams: dict[tuple[str, str, str], DatastreamTotals] = field(default_factory=dict)


class SentJournal:
    """Counts sent messages by sensor and datastream."""

    def __init__(self) -> None:
        self.sensors: dict[str, SensorTotals] = {}
        self.messages = 0

    def record(self, sensor: Sensor, instant: Instant, message: SimulatedMessage) -> None:
        """Count a message. A gas reading that a meter repeats in each telegram counts as one observation."""
        totals = self.sensors.get(sensor.id)
        if totals is None:
            totals = self.sensors[sensor.id] = SensorTotals(sensor.feed, first=instant)
        totals.messages += 1
        totals.last = instant
        self.messages += 1
        for expected in message.expected:
            datastream = expected.datastream
            key = datastream.property, datastream.entity, datastream.field
            stream = totals.datastreams.setdefault(key, DatastreamTotals())
            if expected.time is None or expected.time != stream.last_time:
                stream.observations += 1
            stream.last_time = expected.time
            stream.last_value = expected.value

    def write(self, path: Path, *, unacknowledged: int) -> None:
        """Write one JSON line per sensor, and a last line with the totals."""
        with path.open("w", encoding="utf-8") as file:
            for name, totals in sorted(self.sensors.items()):
                file.write(json.dumps(_line(name, totals)) + "\n")
            summary = {
                "messages": self.messages,
                "observations": sum(
                    datastream.observations
                    for sensor in self.sensors.values()
                    for datastream in sensor.datastreams.values()
                ),
                "unacknowledged": unacknowledged,
            }
            file.write(json.dumps(summary) + "\n")


def _line(name: str, totals: SensorTotals) -> dict[str, object]:
    return {
        "sensor": name,
        "feed": totals.feed,
        "messages": totals.messages,
        "first": format_instant(totals.first),
        "last": format_instant(totals.last),
        "datastreams": [
            {
                "property": property,
                "entity": entity,
                "field": field,
                "observations": stream.observations,
                "lastValue": stream.last_value,
                "lastTime": None if stream.last_time is None else format_instant(stream.last_time),
            }
            for (property, entity, field), stream in totals.datastreams.items()
        ],
    }
