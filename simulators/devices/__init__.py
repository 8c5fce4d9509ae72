"""Virtual devices: one module per wire format, with exactly the bytes that real hardware sends.

A device takes the true value, rounds it to the resolution of its sensor, and converts it into the value on
the wire: the inverse of the datastream's mapping. Each message has the values that the twin should have after
it (`expected`), as the oracle of tests. No decoder may live here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from simulators.devices import airrohr, chirpstack, dsmr, homewizard, native, senml, ttn
from simulators.devices.device import MessageEncoder, SimulatedMessage, VirtualDevice
from simulators.truth.city_truth import CityTruth
from twin.instant import Instant
from twin.model.city_model import CityPlan
from twin.model.sensor import Datastream

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
"""Feed → encoder of its messages. A new format needs one module and one entry here."""


def devices_of(plan: CityPlan, truth: CityTruth) -> tuple[list[VirtualDevice], list[str]]:
    """Return a device for each sensor with a datastream and an encoder, and the ids of all other sensors."""
    by_sensor: dict[str, list[Datastream]] = {}
    for datastream in plan.datastreams:
        by_sensor.setdefault(datastream.sensor, []).append(datastream)
    devices: list[VirtualDevice] = []
    skipped: list[str] = []
    for sensor in plan.sensors:
        encode = ENCODERS.get(sensor.feed)
        datastreams = tuple(by_sensor.get(sensor.id, ()))
        if encode is None or not datastreams:
            skipped.append(sensor.id)
            continue
        devices.append(VirtualDevice(plan.city.id, sensor, datastreams, truth, encode))
    return devices, skipped


def expected_by_property(device: VirtualDevice, instant: Instant) -> dict[str, float]:
    """Return the value of each observed property that the twin should have after a device's message."""
    return {one.datastream.property: one.value for one in device.message(instant).expected}


__all__ = ["ENCODERS", "SimulatedMessage", "VirtualDevice", "devices_of", "expected_by_property"]
