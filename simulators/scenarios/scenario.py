"""What a scenario is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulators.devices.device import Device
from simulators.devices.lorawan import heard
from simulators.faults.fault import Fault
from simulators.faults.plan import PlannedFault
from simulators.truth.happenings import QUIET, Happenings

_LORAWAN = ("ttn", "chirpstack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens to the city, and to a gateway."""

    happenings: Happenings = QUIET
    gateway: str = ""  #: the LoRaWAN gateway whose devices have `gateway_fault`
    gateway_fault: Fault | None = None

    def faults(self, devices: Sequence[Device]) -> list[PlannedFault]:
        """Return the faults that the scenario gives to devices."""
        fault = self.gateway_fault
        if fault is None:
            return []
        return [
            PlannedFault(device.sensor.id, fault)
            for device in devices
            if device.sensor.feed in _LORAWAN and heard(device, fault.start)[0] == self.gateway
        ]
