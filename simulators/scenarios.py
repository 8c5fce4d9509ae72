"""Scenarios: events in the simulated city and faults of its devices, by name, seed and start.

Each starts with the clock of the simulation; its size varies with the seed. The magnitudes are plausible for
a Dutch town; no published source was found for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from simulators.devices.device import VirtualDevice
from simulators.devices.lorawan import LORAWAN_FEEDS, gateway_of
from simulators.faults.fault import DeviceFault
from simulators.faults.fault_plan import PlannedFault
from simulators.faults.network_faults import DropoutFault
from simulators.truth.noise import noise_stream, uniform, uniform_between
from simulators.truth.rain import Shower
from simulators.truth.scripted_events import NO_EVENTS, Pulse, ScriptedEvents
from twin.instant import HOUR, MINUTE, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Events in the city, and a fault of one gateway."""

    events: ScriptedEvents = NO_EVENTS
    gateway_fault: DeviceFault | None = None  #: fault of all devices of one LoRaWAN gateway
    gateway_draw: float = 0.0  #: selects that gateway: 0 to 1 over the sorted names of gateways

    def faults(self, devices: Sequence[VirtualDevice]) -> list[PlannedFault]:
        """Return the faults of devices in this scenario."""
        fault = self.gateway_fault
        if fault is None:
            return []
        gateway_by_sensor = {
            device.sensor.id: gateway_of(device) for device in devices if device.sensor.feed in LORAWAN_FEEDS
        }
        gateways = sorted(set(gateway_by_sensor.values()))
        if not gateways:
            return []
        silent = gateways[int(self.gateway_draw * len(gateways))]
        return [
            PlannedFault(sensor, fault) for sensor, gateway in gateway_by_sensor.items() if gateway == silent
        ]


class ScenarioEntry(NamedTuple):
    """A scenario, and its summary for the help texts."""

    summary: str
    build: Callable[[int, Instant], Scenario]  #: builds it from seed and start


def _rush_hour(seed: int, start: Instant) -> Scenario:
    """Nearly twice the demand of a rush hour: roads exceed their capacity, and air quality drops."""
    extra = uniform_between(noise_stream(seed, "rush hour"), 0, 0.8, 1.0)
    return Scenario(events=ScriptedEvents(traffic=Pulse(start, 20 * MINUTE, 70 * MINUTE, 40 * MINUTE, extra)))


def _cloudburst(seed: int, start: Instant) -> Scenario:
    """At least fifty millimetres of rain in about an hour; water rises for hours, pumps run for days."""
    source = noise_stream(seed, "cloudburst")
    shower = Shower(
        start + 5 * MINUTE, uniform_between(source, 0, 1.0, 1.5), uniform_between(source, 1, 50.0, 75.0)
    )
    return Scenario(events=ScriptedEvents(showers=(shower,)))


def _new_year(seed: int, start: Instant) -> Scenario:
    """Fireworks from the next whole hour: that hour's PM2.5 is above 140 ug/m3, the day's mean below 50."""
    height = uniform_between(noise_stream(seed, "fireworks"), 0, 230.0, 280.0)
    midnight = -(-start // HOUR) * HOUR
    return Scenario(
        events=ScriptedEvents(smoke=Pulse(midnight, 10 * MINUTE, 45 * MINUTE, 40 * MINUTE, height))
    )


def _heat_pumps(seed: int, start: Instant) -> Scenario:
    """Frost: heat pumps and their electric heaters more than double the load of a street."""
    source = noise_stream(seed, "frost")
    cold = Pulse(start, 2 * HOUR, 8 * HOUR, 6 * HOUR, uniform_between(source, 0, 12.0, 16.0))
    heating = Pulse(start, HOUR, 4 * HOUR, 2 * HOUR, uniform_between(source, 1, 2.0, 2.6))
    return Scenario(events=ScriptedEvents(cold=cold, heating=heating))


def _gateway_outage(seed: int, start: Instant) -> Scenario:
    """One LoRaWAN gateway is silent for 45 minutes, after five minutes; its devices buffer nothing."""
    fault = DropoutFault(start=start + 5 * MINUTE, length=45 * MINUTE)
    return Scenario(gateway_fault=fault, gateway_draw=uniform(noise_stream(seed, "gateway outage"), 0))


SCENARIOS: Mapping[str, ScenarioEntry] = MappingProxyType(
    {
        "rush-hour": ScenarioEntry("roads fill past their capacity", _rush_hour),
        "cloudburst": ScenarioEntry("a cloudburst over the polder", _cloudburst),
        "new-year": ScenarioEntry("fireworks smoke from the next whole hour", _new_year),
        "heat-pumps": ScenarioEntry("frost, and the heat pumps' peak", _heat_pumps),
        "gateway-outage": ScenarioEntry("a LoRaWAN gateway is silent for 45 minutes", _gateway_outage),
    }
)
"""Name → scenario. A new scenario needs a function and an entry here."""


def build_scenario(name: str | None, seed: int, start: Instant) -> Scenario:
    """Return a scenario by name; None: an ordinary day. Raises KeyError for an unknown name."""
    return Scenario() if name is None else SCENARIOS[name].build(seed, start)
