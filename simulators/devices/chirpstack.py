"""ChirpStack v4 `up` events: protobuf as JSON, bytes in base64, defaults left out."""

from __future__ import annotations

import json
from base64 import b64encode
from uuid import UUID

from simulators.devices.device import SimulatedMessage, VirtualDevice, expected_values, nested_values
from simulators.devices.lorawan import (
    CHANNELS_HZ,
    PORT,
    device_eui,
    frame_counter,
    frame_payload,
    made_up_hex,
    nanosecond_timestamp,
    radio_reception,
)
from simulators.devices.ttn import without_empty
from simulators.truth.noise import uniform
from twin.instant import Instant

# DR5 is SF7 in EU868; one lower for each spreading factor more (LoRaWAN Regional Parameters).
_DATA_RATE_OF_SF0 = 12


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return the event that carries what was measured at the time it tells."""
    readings = device.measure(instant)
    # The name on the topic is the DevEUI as the city folder writes it; ChirpStack itself writes lower case.
    eui = device.sensor.device
    gateway, rssi, snr, factor, channel = radio_reception(device, instant)
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
            "dr": _DATA_RATE_OF_SF0 - factor,
            "fCnt": frame_counter(device, instant),
            "fPort": PORT,
            "data": b64encode(frame_payload(readings)).decode(),
            "object": nested_values(readings),
            "rxInfo": [
                without_empty(
                    {
                        "gatewayId": made_up_hex(8, gateway),
                        "uplinkId": int(made_up_hex(4, eui, str(instant)), 16),
                        "nsTime": nanosecond_timestamp(instant, extra) + "+00:00",
                        "rssi": rssi,
                        "snr": snr,
                        "channel": CHANNELS_HZ.index(channel),
                        "context": b64encode((instant & 0xFFFF_FFFF).to_bytes(4, "big")).decode(),
                        "metadata": {"region_common_name": "EU868", "region_config_id": "eu868"},
                        "crcStatus": "CRC_OK",
                    }
                )
            ],
            "txInfo": {
                "frequency": channel,
                "modulation": {
                    "lora": {"bandwidth": 125000, "spreadingFactor": factor, "codeRate": "CR_4_5"}
                },
            },
        }
    )
    topic = f"application/{application}/device/{eui}/event/up"
    return SimulatedMessage(
        topic, json.dumps(body, separators=(",", ":")).encode(), expected_values(readings, instant)
    )


def _uuid(*names: str) -> str:
    return str(UUID(hex=made_up_hex(16, *names), version=4))
