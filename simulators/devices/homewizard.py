"""HomeWizard P1 meter JSON: version 1 (`/api/v1/data`) and version 2 (`/api/measurement`).

Power is the signed net power in whole watts. Version 1 has no time except that of the gas reading, as a
number of local digits. Version 2 has local ISO times without an offset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from simulators.devices.device import SimulatedMessage, VirtualDevice
from simulators.devices.lorawan import radio_reception
from simulators.devices.smart_meter import (
    equipment_id,
    expected_meter_values,
    local_digits,
    meter_display,
    with_faulty_values,
)
from simulators.truth.household import Household
from simulators.truth.local_calendar import utc_offset
from simulators.truth.noise import uniform
from twin.instant import Instant, format_instant

_P1_VERSION = 50
_MODEL = "TWIN  5-1000"


def version_of(device: VirtualDevice) -> int:
    """Return the version of the API that the device has, 1 or 2."""
    return 1 if uniform(device.noise_stream("version"), 0) < 0.5 else 2


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return the measurement of the meter in the second of an instant."""
    household = device.truth.household(device.sensor.id)
    display = with_faulty_values(device, meter_display(household, instant, _P1_VERSION))
    signs = [1 if power >= 0 else -1 for power in household.phase_power(display.time)]
    values = dict(display.values)
    for phase, sign in enumerate(signs, 1):
        if f"current_l{phase}" in values:
            values[f"current_l{phase}"] *= sign
    first = version_of(device) == 1
    body = (_version_1 if first else _version_2)(device, household, values, display.time, display.gas_time)
    payload = json.dumps(body, separators=(",", ":")).encode()
    time = None if first else display.time
    expected = expected_meter_values(device, values, time, display.gas_time)
    return SimulatedMessage(f"homewizard/{device.sensor.device}/measurement", payload, expected)


def _version_1(
    device: VirtualDevice, household: Household, values: Mapping[str, float], time: Instant, gas_time: Instant
) -> dict[str, Any]:
    phases = [phase for phase in (1, 2, 3) if f"current_l{phase}" in values]
    powers = household.phase_power(time)
    body: dict[str, Any] = {
        "wifi_ssid": "Simulated",
        "wifi_strength": min(100, 2 * (radio_reception(device, time).rssi + 130)),
        "smr_version": _P1_VERSION,
        "meter_model": _MODEL,
        "unique_id": equipment_id(device, "electricity", "E000"),
        "active_tariff": 1 if household.low_tariff(time) else 2,
        **{
            f"total_power_{direction}{tariff}_kwh": values[f"energy_{direction}{tariff}"]
            for direction in ("import", "export")
            for tariff in ("", "_t1", "_t2")
        },
        "active_power_w": _watts(values),
        **{f"active_power_l{phase}_w": round(powers[phase - 1] * 1000.0) for phase in phases},
        **{f"active_voltage_l{phase}_v": values[f"voltage_l{phase}"] for phase in phases},
        **{f"active_current_l{phase}_a": values[f"current_l{phase}"] for phase in phases},
        "any_power_fail_count": 3,
        "long_power_fail_count": 1,
    }
    if "gas_volume" in values:
        name = equipment_id(device, "gas", "G000")
        digits = int(local_digits(device.truth.timezone, gas_time))
        volume = values["gas_volume"]
        body |= {"total_gas_m3": volume, "gas_timestamp": digits, "gas_unique_id": name}
        body["external"] = [
            {"unique_id": name, "type": "gas_meter", "timestamp": digits, "value": volume, "unit": "m3"}
        ]
    return body


def _version_2(
    device: VirtualDevice, household: Household, values: Mapping[str, float], time: Instant, gas_time: Instant
) -> dict[str, Any]:
    phases = [phase for phase in (1, 2, 3) if f"current_l{phase}" in values]
    powers = household.phase_power(time)
    zone = device.truth.timezone
    body: dict[str, Any] = {
        "protocol_version": _P1_VERSION,
        "meter_model": _MODEL,
        "unique_id": equipment_id(device, "electricity", "E000"),
        "timestamp": _local_text(zone, time),
        "tariff": 1 if household.low_tariff(time) else 2,
        **{
            f"energy_{direction}{tariff}_kwh": values[f"energy_{direction}{tariff}"]
            for direction in ("import", "export")
            for tariff in ("", "_t1", "_t2")
        },
        "power_w": _watts(values),
        **{f"power_l{phase}_w": round(powers[phase - 1] * 1000.0) for phase in phases},
        **{f"voltage_l{phase}_v": values[f"voltage_l{phase}"] for phase in phases},
        "current_a": round(sum(abs(values[f"current_l{phase}"]) for phase in phases), 2),
        **{f"current_l{phase}_a": values[f"current_l{phase}"] for phase in phases},
        "any_power_fail_count": 3,
        "long_power_fail_count": 1,
    }
    if "gas_volume" in values:
        gas = {
            "unique_id": equipment_id(device, "gas", "G000"),
            "type": "gas_meter",
            "timestamp": _local_text(zone, gas_time),
            "value": values["gas_volume"],
            "unit": "m3",
        }
        body["external"] = [gas]
    return body


def _watts(values: Mapping[str, float]) -> int:
    return round((values["power_import"] - values["power_export"]) * 1000.0)


def _local_text(timezone: str, instant: Instant) -> str:
    return format_instant(instant + utc_offset(timezone, instant)).removesuffix("Z")
