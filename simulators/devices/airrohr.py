"""The JSON of the airRohr firmware (Sensor.Community): values are strings, and there is no time."""

from __future__ import annotations

import json

from simulators.devices.device import SimulatedMessage, VirtualDevice, expected_values, wire_decimals
from simulators.devices.lorawan import radio_reception
from simulators.truth.noise import uniform
from twin.instant import MINUTE, Instant

SOFTWARE = "NRZ-2024-135"
_INTERVAL_MS = 145_000
# The firmware prints two decimals (airrohr-firmware: `add_Value2Json` of a float).
_DECIMALS_MIN = 2


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return the body that the firmware posts to a custom API, as a bridge publishes it to MQTT."""
    readings = device.measure(instant)
    values = [
        (
            reading.datastream.field,
            f"{reading.wire:.{max(_DECIMALS_MIN, wire_decimals(reading.datastream))}f}",
        )
        for reading in readings
    ]
    # Health values of the firmware: the number of its loops, and the microseconds per loop.
    loops = 4_600_000 + int(uniform(device.noise_stream("loops"), instant // MINUTE) * 400_000)
    values += [
        ("samples", str(loops)),
        ("min_micro", "28"),
        ("max_micro", "20143"),
        ("interval", str(_INTERVAL_MS)),
        ("signal", str(radio_reception(device, instant).rssi // 2 - 20)),
    ]
    body = {
        "esp8266id": device.sensor.device.removeprefix("esp8266-"),
        "software_version": SOFTWARE,
        "sensordatavalues": [{"value_type": name, "value": value} for name, value in values],
    }
    payload = json.dumps(body, separators=(",", ":")).encode()
    return SimulatedMessage(f"airrohr/{device.sensor.device}", payload, expected_values(readings, None))
