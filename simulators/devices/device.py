"""A virtual device, its messages, and the values that the twin should have after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, log10
from typing import Any, NamedTuple, TypeAlias

from simulators.truth.city_truth import CityTruth
from simulators.truth.noise import noise_stream
from twin.instant import Instant
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.model.sensor import Datastream, Sensor


class ExpectedValue(NamedTuple):
    """The value that the twin should have for one datastream after a message."""

    datastream: Datastream
    value: float  #: canonical
    time: Instant | None  #: phenomenon time in the message; None: not in it, so the reception time counts


class SimulatedMessage(NamedTuple):
    """A message that a device publishes."""

    topic: str
    payload: bytes
    expected: tuple[ExpectedValue, ...]


class MeasuredValue(NamedTuple):
    """A true value at the resolution of the sensor: on the wire, and in the canonical unit."""

    datastream: Datastream
    wire: float
    canonical: float


@dataclass(frozen=True, slots=True)
class VirtualDevice:
    """A virtual device for one sensor of the city."""

    city: str
    sensor: Sensor
    datastreams: tuple[Datastream, ...]
    truth: CityTruth
    encode: MessageEncoder
    #: canonical values that a fault puts in place of the true ones
    faulty_values: Mapping[Datastream, float] | None = None

    def message(self, instant: Instant) -> SimulatedMessage:
        """Return the message of the device at an instant; equal calls return equal messages."""
        return self.encode(self, instant)

    def measure(self, instant: Instant) -> list[MeasuredValue]:
        """Return the measured value of each datastream at an instant."""
        faulty = self.faulty_values or {}
        return [
            measured_value(
                datastream,
                faulty[datastream] if datastream in faulty else self.truth.value(datastream, instant),
            )
            for datastream in self.datastreams
        ]

    def noise_stream(self, *names: str) -> int:
        """Return a noise stream that is specific to this device."""
        return noise_stream(self.truth.seed, "device", self.sensor.id, *names)


MessageEncoder: TypeAlias = Callable[[VirtualDevice, Instant], SimulatedMessage]
"""Encodes the measurements of a device at an instant in one wire format."""

# Resolution of a sensor by canonical unit, in that unit.
_RESOLUTION = {
    "1": 1.0, "1/h": 1.0, "%": 0.1, "A": 0.01, "Cel": 0.01, "V": 0.1, "dB[A]": 0.1, "dB[mW]": 1.0, "deg": 1.0,
    "hPa": 0.1, "kW": 0.001, "kWh": 0.001, "km/h": 0.1, "m": 0.001, "m/s": 0.1, "m3": 0.001, "m3/s": 0.001,
    "mm": 0.1, "ppm": 1.0, "ug/m3": 0.1,
}  # fmt: skip
_RESOLUTION_OTHER = 0.01


def resolution(datastream: Datastream) -> float:
    """Return the resolution of the sensor in the canonical unit."""
    known = BUILT_IN_PROPERTIES.get(datastream.property)
    return _RESOLUTION.get(known.unit, _RESOLUTION_OTHER) if known is not None else _RESOLUTION_OTHER


def wire_decimals(datastream: Datastream) -> int:
    """Return the number of decimals on the wire that preserves the sensor's resolution in the wire's unit."""
    step = resolution(datastream) / abs(datastream.scale)
    # The tolerance keeps 0.1 at one decimal although its logarithm is not exactly -1.
    return max(0, ceil(-log10(step) - 1e-9))


def measured_value(datastream: Datastream, truth: float) -> MeasuredValue:
    """Return a true value as on the wire: the inverse of `canonical = offset + scale × value`, rounded."""
    decimals = wire_decimals(datastream)
    wire = round((truth - datastream.offset) / datastream.scale, decimals)
    if not decimals:
        wire = int(wire)
    return MeasuredValue(datastream, wire, datastream.offset + datastream.scale * wire)


def expected_values(readings: list[MeasuredValue], time: Instant | None) -> tuple[ExpectedValue, ...]:
    """Return the values that the twin should have after these readings, which share one time."""
    return tuple(ExpectedValue(one.datastream, one.canonical, time) for one in readings)


def nested_values(readings: list[MeasuredValue]) -> dict[str, Any]:
    """Return the wire values by field; dotted field names become nested objects."""
    tree: dict[str, Any] = {}
    for reading in readings:
        *path, name = reading.datastream.field.split(".")
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
        branch[name] = reading.wire
    return tree
