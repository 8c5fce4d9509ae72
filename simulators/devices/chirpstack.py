"""ChirpStack v4 `up` events: protobuf as JSON, with bytes in base64 and without default values."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from uuid import UUID

from simulators.devices.device import SimulatedMessage, VirtualDevice, expected_values, nested_values
from simulators.devices.lorawan import (
    CHANNELS_HZ,
    PORT,
    RadioReception,
    device_eui,
    frame_counter,
    frame_payload,
    made_up_hex,
    nanosecond_timestamp,
    radio_reception,
    without_empty,
)
from simulators.truth.noise import uniform
from twin.instant import Instant

# In EU868, DR5 is SF7, and each higher spreading factor is one lower (LoRaWAN Regional Parameters).
_DATA_RATE_OF_SF0 = 12


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return the event with the measurements of an instant."""
    readings = device.measure(instant)
    # The topic has the DevEUI as the city folder writes it; ChirpStack itself uses lower case.
    eui = device.sensor.device
    reception = radio_reception(device, instant)
    extra = int(uniform(device.noise_stream("nanoseconds"), instant) * 1000)
    application = _uuid("application", device.city)
    body = without_empty(
        {
            "deduplicationId": _uuid("uplink", eui, str(instant)),
            "time": nanosecond_timestamp(instant, extra) + "+00:00",
            "deviceInfo": {
                "tenantId": _uuid("tenant", device.city),
                "tenantName": device.city,
                "applicationId": application,
                "applicationName": f"{device.city}-sensors",
                "deviceProfileId": _uuid("profile", device.city),
                "deviceProfileName": "sensor",
                "deviceName": device.sensor.id,
                "devEui": eui,
                "deviceClassEnabled": "CLASS_A",
                "tags": {},
            },
            "devAddr": "01" + made_up_hex(3, "address", device_eui(device)),
            "adr": True,
            "dr": _DATA_RATE_OF_SF0 - reception.spreading_factor,
            "fCnt": frame_counter(device, instant),
            "fPort": PORT,
            "data": b64encode(frame_payload(readings)).decode(),
            "object": nested_values(readings),
            "rxInfo": [_rx_info(eui, instant, reception, extra)],
            "txInfo": _tx_info(reception),
        }
    )
    topic = f"application/{application}/device/{eui}/event/up"
    return SimulatedMessage(
        topic, json.dumps(body, separators=(",", ":")).encode(), expected_values(readings, instant)
    )


def _rx_info(eui: str, instant: Instant, reception: RadioReception, extra: int) -> dict[str, Any]:
    return without_empty(
        {
            "gatewayId": made_up_hex(8, reception.gateway),
            "uplinkId": int(made_up_hex(4, eui, str(instant)), 16),
            "nsTime": nanosecond_timestamp(instant, extra) + "+00:00",
            "rssi": reception.rssi,
            "snr": reception.snr,
            "channel": CHANNELS_HZ.index(reception.channel_hz),
            "context": b64encode((instant & 0xFFFF_FFFF).to_bytes(4, "big")).decode(),
            "metadata": {"region_common_name": "EU868", "region_config_id": "eu868"},
            "crcStatus": "CRC_OK",
        }
    )


def _tx_info(reception: RadioReception) -> dict[str, Any]:
    return {
        "frequency": reception.channel_hz,
        "modulation": {
            "lora": {
                "bandwidth": 125000,
                "spreadingFactor": reception.spreading_factor,
                "codeRate": "CR_4_5",
            }
        },
    }


def _uuid(*names: str) -> str:
    return str(UUID(hex=made_up_hex(16, *names), version=4))
