"""What a scenario is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulators.devices.device import VirtualDevice
from simulators.devices.lorawan import LORAWAN_FEEDS, gateway_of
from simulators.faults.fault import DeviceFault
from simulators.faults.fault_plan import PlannedFault
from simulators.truth.scripted_events import NO_EVENTS, ScriptedEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens to the city, and to a gateway."""

    events: ScriptedEvents = NO_EVENTS
    gateway_fault: DeviceFault | None = None  #: of all devices that one LoRaWAN gateway hears
    gateway_draw: float = 0.0  #: which of the city's gateways that is: 0 to 1, over their names in order

    def faults(self, devices: Sequence[VirtualDevice]) -> list[PlannedFault]:
        """Return the faults that the scenario gives to devices."""
        fault = self.gateway_fault
        if fault is None:
            return []
        heard_by = {one.sensor.id: gateway_of(one) for one in devices if one.sensor.feed in LORAWAN_FEEDS}
        gateways = sorted(set(heard_by.values()))
        if not gateways:
            return []
        silent = gateways[int(self.gateway_draw * len(gateways))]
        return [PlannedFault(sensor, fault) for sensor, gateway in heard_by.items() if gateway == silent]
