"""Raw DSMR P1 telegrams of versions 5 and 4.2, as a Dutch smart meter sends them on its P1 port.

Source of the objects and their formats: Netbeheer Nederland, P1 Companion Standard, version 5.0.2, section
6.12. Version 4.2 has whole amperes and no voltages.
"""

from __future__ import annotations

from fastcrc import crc16

from simulators.devices.device import SimulatedMessage, VirtualDevice
from simulators.devices.smart_meter import (
    MeterDisplay,
    equipment_id,
    expected_meter_values,
    local_digits,
    meter_display,
    with_faulty_values,
)
from simulators.truth.household import Household
from simulators.truth.local_calendar import utc_offset
from simulators.truth.noise import uniform
from twin.instant import HOUR, Instant

_V5_SHARE = 0.7
_NO_GAS_METER = ("0-1:24.1.0(003)", "0-1:96.1.0()", "0-1:24.2.1(700101010000W)(00000000)")


def version_of(device: VirtualDevice) -> int:
    """Return the version, 50 or 42: most meters are new, as is every meter with a voltage datastream."""
    if any(one.property.startswith("voltage") for one in device.datastreams):
        return 50
    return 50 if uniform(device.noise_stream("version"), 0) < _V5_SHARE else 42


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return the telegram that the meter sends in the second of an instant."""
    version = version_of(device)
    household = device.truth.household(device.sensor.id)
    display = with_faulty_values(device, meter_display(household, instant, version))
    lines = _lines(device, household, display, version)
    body = ("\r\n".join(lines) + "\r\n!").encode("ascii")
    payload = body + f"{crc16.arc(body):04X}\r\n".encode("ascii")
    expected = expected_meter_values(device, display.values, display.time, display.gas_time)
    return SimulatedMessage(f"dsmr/{device.sensor.device}/telegram", payload, expected)


def _lines(device: VirtualDevice, household: Household, display: MeterDisplay, version: int) -> list[str]:
    values = display.values
    zone = device.truth.timezone
    new = version >= 50
    phases = [phase for phase in (1, 2, 3) if f"current_l{phase}" in values]
    lines = [
        "/LTW5\\2TWIN5-1000" if new else "/LTW4\\2TWIN4-1000",
        "",
        f"1-3:0.2.8({version})",
        f"0-0:1.0.0({meter_timestamp(zone, display.time)})",
        f"0-0:96.1.1({equipment_id(device, 'electricity', 'E000')})",
        f"1-0:1.8.1({values['energy_import_t1']:010.3f}*kWh)",
        f"1-0:1.8.2({values['energy_import_t2']:010.3f}*kWh)",
        f"1-0:2.8.1({values['energy_export_t1']:010.3f}*kWh)",
        f"1-0:2.8.2({values['energy_export_t2']:010.3f}*kWh)",
        f"0-0:96.14.0({1 if household.low_tariff(display.time) else 2:04d})",
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
    powers = household.phase_power(display.time)
    lines += [f"1-0:{1 + 20 * phase}.7.0({max(0.0, powers[phase - 1]):06.3f}*kW)" for phase in phases]
    lines += [f"1-0:{2 + 20 * phase}.7.0({max(0.0, -powers[phase - 1]):06.3f}*kW)" for phase in phases]
    if household.has_gas:
        lines += [
            "0-1:24.1.0(003)",
            f"0-1:96.1.0({equipment_id(device, 'gas', 'G000')})",
            f"0-1:24.2.1({meter_timestamp(zone, display.gas_time)})({values['gas_volume']:09.3f}*m3)",
        ]
    else:
        lines += _NO_GAS_METER
    return lines


def meter_timestamp(timezone: str, instant: Instant) -> str:
    """Return the local time of the meter with `S` in summer and `W` in winter."""
    return local_digits(timezone, instant) + ("S" if utc_offset(timezone, instant) == 2 * HOUR else "W")
