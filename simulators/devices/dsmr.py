"""Raw DSMR P1 telegrams of version 5 and version 4.2, as a Dutch smart meter prints them on its port.

The objects and their formats are those of Netbeheer Nederland, P1 Companion Standard, version 5.0.2, section
6.12 (and of version 4.2, which has whole amperes and no voltages).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fastcrc import crc16

from simulators.devices.device import ExpectedValue, SimulatedMessage, VirtualDevice
from simulators.devices.smart_meter import (
    GAS_EVERY_V4,
    GAS_EVERY_V5,
    equipment_id,
    gas_time,
    local_digits,
    truncated,
    whole_second,
)
from simulators.truth.household import Household
from simulators.truth.local_calendar import utc_offset
from simulators.truth.noise import uniform
from twin.instant import HOUR, Instant

_V5_SHARE = 0.7
_DEAD_SLOT = ("0-1:24.1.0(003)", "0-1:96.1.0()", "0-1:24.2.1(700101010000W)(00000000)")


class MeterDisplay(NamedTuple):
    """What a telegram shows, in its own units, and when."""

    time: Instant
    gas_time: Instant
    values: Mapping[str, float]  #: by observed property, in kWh, kW, V, A, m3


def version_of(device: VirtualDevice) -> int:
    """Return 50 or 42: newer meters are more common, and one that is to show voltages is new."""
    if any(one.property.startswith("voltage") for one in device.datastreams):
        return 50
    return 50 if uniform(device.noise_stream("version"), 0) < _V5_SHARE else 42


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return the telegram that the meter prints in the second of the instant."""
    version = version_of(device)
    household = device.truth.household(device.sensor.id)
    show = with_faulty_values(device, meter_display(household, instant, version))
    lines = _lines(device, household, show, version)
    body = ("\r\n".join(lines) + "\r\n!").encode("ascii")
    payload = body + f"{crc16.arc(body):04X}\r\n".encode("ascii")
    expected = tuple(
        ExpectedValue(
            one, show.values[one.property], show.gas_time if one.property == "gas_volume" else show.time
        )
        for one in device.datastreams
        if one.property in show.values
    )
    return SimulatedMessage(f"dsmr/{device.sensor.device}/telegram", payload, expected)


def meter_display(household: Household, instant: Instant, version: int) -> MeterDisplay:
    """Return what the meter shows: registers cut to Wh, powers rounded to W."""
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


def with_faulty_values(device: VirtualDevice, show: MeterDisplay) -> MeterDisplay:
    """Return what a meter shows that has a fault; no object of a telegram has a sign."""
    if device.said is None:
        return show
    said = {
        one.property: round(max(0.0, value), 1 if one.property.startswith("voltage") else 3)
        for one, value in device.said.items()
        if one.property in show.values
    }
    return show._replace(values={**show.values, **said})


def _lines(device: VirtualDevice, household: Household, show: MeterDisplay, version: int) -> list[str]:
    values = show.values
    zone = device.truth.timezone
    new = version >= 50
    phases = [phase for phase in (1, 2, 3) if f"current_l{phase}" in values]
    lines = [
        "/LTW5\\2TWIN5-1000" if new else "/LTW4\\2TWIN4-1000",
        "",
        f"1-3:0.2.8({version})",
        f"0-0:1.0.0({meter_timestamp(zone, show.time)})",
        f"0-0:96.1.1({equipment_id(device, 'electricity', 'E000')})",
        f"1-0:1.8.1({values['energy_import_t1']:010.3f}*kWh)",
        f"1-0:1.8.2({values['energy_import_t2']:010.3f}*kWh)",
        f"1-0:2.8.1({values['energy_export_t1']:010.3f}*kWh)",
        f"1-0:2.8.2({values['energy_export_t2']:010.3f}*kWh)",
        f"0-0:96.14.0({1 if household.low_tariff(show.time) else 2:04d})",
        f"1-0:1.7.0({values['power_import']:06.3f}*kW)",
        f"1-0:2.7.0({values['power_export']:06.3f}*kW)",
        "0-0:96.7.21(00003)",
        "0-0:96.7.9(00001)",
        "1-0:99.97.0(1)(0-0:96.7.19)(220714031512S)(0000001842*s)",
    ]
    lines += [f"1-0:{12 + 20 * phase}.32.0(00000)" for phase in phases]
    lines += [f"1-0:{12 + 20 * phase}.36.0(00000)" for phase in phases]
    lines += ["0-0:96.13.0()"] if new else ["0-0:96.13.1()", "0-0:96.13.0()"]
    if new:
        lines += [f"1-0:{12 + 20 * phase}.7.0({values[f'voltage_l{phase}']:05.1f}*V)" for phase in phases]
    width = ".2f" if new else "03.0f"
    lines += [f"1-0:{11 + 20 * phase}.7.0({values[f'current_l{phase}']:{width}}*A)" for phase in phases]
    powers = household.phase_power(show.time)
    lines += [f"1-0:{1 + 20 * phase}.7.0({max(0.0, powers[phase - 1]):06.3f}*kW)" for phase in phases]
    lines += [f"1-0:{2 + 20 * phase}.7.0({max(0.0, -powers[phase - 1]):06.3f}*kW)" for phase in phases]
    if household.has_gas:
        lines += [
            "0-1:24.1.0(003)",
            f"0-1:96.1.0({equipment_id(device, 'gas', 'G000')})",
            f"0-1:24.2.1({meter_timestamp(zone, show.gas_time)})({values['gas_volume']:09.3f}*m3)",
        ]
    else:
        lines += _DEAD_SLOT
    return lines


def meter_timestamp(timezone: str, instant: Instant) -> str:
    """Return the meter's local time with `S` in summer and `W` in winter."""
    return local_digits(timezone, instant) + ("S" if utc_offset(timezone, instant) == 2 * HOUR else "W")
