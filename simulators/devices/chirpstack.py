"""ChirpStack v4 `up` events: protobuf as JSON, bytes in base64, defaults left out."""

from __future__ import annotations

import json
from base64 import b64encode
from uuid import UUID

from simulators.devices.device import Device, Message, expectations, nested
from simulators.devices.lorawan import (
    CHANNELS_HZ,
    PORT,
    device_eui,
    frame,
    frame_counter,
    heard,
    hexadecimal,
    nanoseconds,
)
from simulators.devices.ttn import without_empty
from simulators.truth.noise import unit
from twin.instant import Instant

# DR5 is SF7 in EU868; one lower for each spreading factor more (LoRaWAN Regional Parameters).
_DATA_RATE_OF_SF0 = 12


def encode(device: Device, instant: Instant) -> Message:
    """Return the event that carries what was measured at the time it tells."""
    readings = device.measure(instant)
    # The name on the topic is the DevEUI as the city folder writes it; ChirpStack itself writes lower case.
    eui = device.sensor.device
    gateway, rssi, snr, factor, channel = heard(device, instant)
    extra = int(unit(device.source("nanoseconds"), instant) * 1000)
    application = _uuid("application", device.city)
    body = without_empty(
        {
            "deduplicationId": _uuid("uplink", eui, str(instant)),
            "time": nanoseconds(instant, extra) + "+00:00",
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
            "devAddr": "01" + hexadecimal(3, "address", device_eui(device)),
            "adr": True,
            "dr": _DATA_RATE_OF_SF0 - factor,
            "fCnt": frame_counter(device, instant),
            "fPort": PORT,
            "data": b64encode(frame(readings)).decode(),
            "object": nested(readings),
            "rxInfo": [
                without_empty(
                    {
                        "gatewayId": hexadecimal(8, gateway),
                        "uplinkId": int(hexadecimal(4, eui, str(instant)), 16),
                        "nsTime": nanoseconds(instant, extra) + "+00:00",
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
    return Message(topic, json.dumps(body, separators=(",", ":")).encode(), expectations(readings, instant))


def _uuid(*names: str) -> str:
    return str(UUID(hex=hexadecimal(16, *names), version=4))
