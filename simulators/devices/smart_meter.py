"""The display of a smart meter, and the parts that both of its message formats share."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import NamedTuple

from simulators.devices.device import ExpectedValue, VirtualDevice
from simulators.truth.household import Household
from simulators.truth.local_calendar import utc_offset
from simulators.truth.noise import uniform
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant, to_datetime

# A meter reads the gas meter over M-Bus, and shows the reading some seconds later.
_MBUS_LAG = 20 * SECOND
GAS_EVERY_V5 = 5 * MINUTE
GAS_EVERY_V4 = HOUR


class MeterDisplay(NamedTuple):
    """The values on the display of a meter, and their times."""

    time: Instant
    gas_time: Instant
    values: Mapping[str, float]  #: by observed property, in kWh, kW, V, A, m3


def meter_display(household: Household, instant: Instant, version: int) -> MeterDisplay:
    """Return the display of a meter: registers truncated to Wh, powers rounded to W."""
    time = whole_second(instant)
    read = gas_time(time, GAS_EVERY_V5 if version >= 50 else GAS_EVERY_V4)
    energy = household.energy(time)
    names = ("energy_import_t1", "energy_import_t2", "energy_export_t1", "energy_export_t2")
    values = {name: truncated(amount) for name, amount in zip(names, energy, strict=True)}
    for total in ("energy_import", "energy_export"):
        values[total] = round(values[f"{total}_t1"] + values[f"{total}_t2"], 3)
    net = round(household.net_power(time), 3)
    values["power_import"], values["power_export"] = max(0.0, net), max(0.0, -net)
    phases = (1, 2, 3) if household.equipment.three_phases else (1,)
    for phase in phases:
        if version >= 50:
            values[f"voltage_l{phase}"] = round(household.voltage(time, phase), 1)
        values[f"current_l{phase}"] = round(household.current(time, phase), 2 if version >= 50 else 0)
    if household.has_gas:
        values["gas_volume"] = truncated(household.gas(read))
    return MeterDisplay(time, read, values)


def with_faulty_values(device: VirtualDevice, display: MeterDisplay) -> MeterDisplay:
    """Return the display with the faulty values of the device; telegrams have no negative values."""
    if device.faulty_values is None:
        return display
    faulty = {
        datastream.property: round(max(0.0, value), 1 if datastream.property.startswith("voltage") else 3)
        for datastream, value in device.faulty_values.items()
        if datastream.property in display.values
    }
    return display._replace(values={**display.values, **faulty})


def expected_meter_values(
    device: VirtualDevice, values: Mapping[str, float], time: Instant | None, gas_time: Instant
) -> tuple[ExpectedValue, ...]:
    """Return what the twin should have after a message with these values; gas has a time of its own."""
    return tuple(
        ExpectedValue(
            datastream, values[datastream.property], gas_time if datastream.property == "gas_volume" else time
        )
        for datastream in device.datastreams
        if datastream.property in values
    )


def whole_second(instant: Instant) -> Instant:
    """Return an instant truncated to the second, the resolution of a meter."""
    return instant - instant % SECOND


def gas_time(instant: Instant, every: Duration) -> Instant:
    """Return the time of the last reading of the gas meter."""
    newest = instant - _MBUS_LAG
    return newest - newest % every


def truncated(amount: float) -> float:
    """Return a register value truncated to thousandths."""
    return floor(amount * 1000.0) / 1000.0


def local_digits(timezone: str, instant: Instant) -> str:
    """Return the local time as `YYMMDDhhmmss`."""
    return f"{to_datetime(instant + utc_offset(timezone, instant)):%y%m%d%H%M%S}"


def equipment_id(device: VirtualDevice, kind: str, maker: str) -> str:
    """Return a pseudo-random equipment id as in telegrams: the hex of an ASCII text of 17 characters."""
    serial = int(uniform(device.noise_stream("serial", kind), 0) * 10**13)
    return f"{maker}{serial:013d}".encode().hex().upper()
