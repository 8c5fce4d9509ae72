"""Virtual devices: one module a wire format, each speaking byte-exactly what real hardware sends.

A device asks the truth, rounds it to what its sensor resolves, and turns it into the value that the wire
carries: the inverse of the datastream's mapping. With each message it tells what the twin should hold after
it (`expected_by_property`), which makes it the oracle of tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from simulators.devices import airrohr, chirpstack, dsmr, homewizard, native, senml, ttn
from simulators.devices.device import MessageEncoder, SimulatedMessage, VirtualDevice
from simulators.truth.city_truth import CityTruth
from twin.instant import Instant
from twin.model.city_model import CityPlan

ENCODERS: Mapping[str, MessageEncoder] = MappingProxyType(
    {
        "airrohr": airrohr.encode,
        "chirpstack": chirpstack.encode,
        "dsmr": dsmr.encode,
        "homewizard": homewizard.encode,
        "native": native.encode,
        "senml": senml.encode,
        "ttn": ttn.encode,
    }
)
"""Feed → how a device of that feed says what it measured. A format is added with one module and one line."""


def devices_of(plan: CityPlan, truth: CityTruth) -> tuple[list[VirtualDevice], list[str]]:
    """Return a device for each sensor that observes something, and the sensors that cannot be simulated."""
    observed: dict[str, list[int]] = {}
    for index, datastream in enumerate(plan.datastreams):
        observed.setdefault(datastream.sensor, []).append(index)
    devices: list[VirtualDevice] = []
    left_out: list[str] = []
    for sensor in plan.sensors:
        encode = ENCODERS.get(sensor.feed)
        datastreams = tuple(plan.datastreams[index] for index in observed.get(sensor.id, ()))
        if encode is None or not datastreams:
            left_out.append(sensor.id)
            continue
        devices.append(VirtualDevice(plan.city.id, sensor, datastreams, truth, encode))
    return devices, left_out


def expected_by_property(device: VirtualDevice, instant: Instant) -> dict[str, float]:
    """Return what the twin should hold, by observed property, after what the device says at an instant."""
    return {one.datastream.property: one.value for one in device.message(instant).expected}


__all__ = ["ENCODERS", "SimulatedMessage", "VirtualDevice", "devices_of", "expected_by_property"]
