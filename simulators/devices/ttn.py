"""Uplinks of The Things Stack v3, as its MQTT server publishes them: JSON without empty fields."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from simulators.devices.device import SimulatedMessage, VirtualDevice, expected_values, nested_values
from simulators.devices.lorawan import (
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

TENANT = "ttn"
# Delay from the gateway's antenna to the network server.
_GATEWAY_LAG_US = 120_000
# Delay to the application server, which publishes: below the twin's resolution of a microsecond.
_APPLICATION_LAG_NS = 400


def encode(device: VirtualDevice, instant: Instant) -> SimulatedMessage:
    """Return the uplink that the network server receives at an instant."""
    readings = device.measure(instant)
    decoded = nested_values(readings)
    eui = device_eui(device)
    reception = radio_reception(device, instant)
    extra = int(uniform(device.noise_stream("nanoseconds"), instant) * 600)
    antenna = instant - _GATEWAY_LAG_US
    application = f"{device.city}-sensors"
    body = {
        "end_device_ids": {
            "device_id": device.sensor.device,
            "application_ids": {"application_id": application},
            "dev_eui": eui.upper(),
            "join_eui": made_up_hex(8, "join", device.city).upper(),
            "dev_addr": "260B" + made_up_hex(2, "address", eui).upper(),
        },
        "correlation_ids": [f"gs:uplink:{made_up_hex(13, eui, str(instant)).upper()}"],
        "received_at": nanosecond_timestamp(instant, extra + _APPLICATION_LAG_NS) + "Z",
        "uplink_message": without_empty(
            {
                "session_key_id": b64encode(bytes.fromhex(made_up_hex(16, "session", eui))).decode(),
                "f_port": PORT,
                "f_cnt": frame_counter(device, instant),
                "frm_payload": b64encode(frame_payload(readings)).decode(),
                "decoded_payload": decoded,
                "rx_metadata": [_rx_metadata(reception, antenna, extra)],
                "settings": _settings(reception, antenna, extra),
                "received_at": nanosecond_timestamp(instant, extra) + "Z",
                "consumed_airtime": "0.061696s",
                "network_ids": {"net_id": "000013", "tenant_id": TENANT, "cluster_id": "eu1"},
            }
        ),
    }
    topic = f"v3/{application}@{TENANT}/devices/{device.sensor.device}/up"
    return SimulatedMessage(
        topic, json.dumps(body, separators=(",", ":")).encode(), expected_values(readings, instant)
    )


def _rx_metadata(reception: RadioReception, antenna: Instant, extra: int) -> dict[str, Any]:
    return without_empty(
        {
            "gateway_ids": {
                "gateway_id": reception.gateway,
                "eui": made_up_hex(8, reception.gateway).upper(),
            },
            "time": nanosecond_timestamp(antenna, extra) + "Z",
            "timestamp": antenna & 0xFFFF_FFFF,
            "rssi": reception.rssi,
            "channel_rssi": reception.rssi,
            "snr": reception.snr,
        }
    )


def _settings(reception: RadioReception, antenna: Instant, extra: int) -> dict[str, Any]:
    return {
        "data_rate": {
            "lora": {
                "bandwidth": 125000,
                "spreading_factor": reception.spreading_factor,
                "coding_rate": "4/5",
            }
        },
        "frequency": str(reception.channel_hz),
        "timestamp": antenna & 0xFFFF_FFFF,
        "time": nanosecond_timestamp(antenna, extra) + "Z",
    }
