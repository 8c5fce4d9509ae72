"""The parts that both LoRaWAN network servers share: addresses, frames, radio reception, JSON rules."""

from __future__ import annotations

import re
import struct
from hashlib import blake2b
from typing import Any, NamedTuple

from simulators.devices.device import MeasuredValue, VirtualDevice
from simulators.truth.noise import smooth_noise, uniform
from twin.instant import MINUTE, Instant, format_instant

# The uplink channels of every EU868 end device (LoRaWAN Regional Parameters, EU863-870).
CHANNELS_HZ = (868_100_000, 868_300_000, 868_500_000)
PORT = 2
# Gateways of devices for which the city names none.
GATEWAYS = ("livetwin-gw-noord", "livetwin-gw-zuid", "livetwin-gw-oost")
LORAWAN_FEEDS = ("ttn", "chirpstack")
# All devices joined on 1 January 2026; frame counters start there.
JOIN_TIME: Instant = 1_767_225_600_000_000
_EUI = re.compile(r"(?:eui-)?([0-9a-fA-F]{16})")


def made_up_hex(size: int, *names: str) -> str:
    """Return `size` pseudo-random bytes in hex; equal names give equal bytes."""
    return blake2b("\x1f".join(names).encode(), digest_size=size).hexdigest()


def device_eui(device: VirtualDevice) -> str:
    """Return the DevEUI in lower-case hex: from the name of the device, else a pseudo-random one."""
    found = _EUI.fullmatch(device.sensor.device)
    return found[1].lower() if found else made_up_hex(8, "eui", device.sensor.device)


def frame_counter(device: VirtualDevice, instant: Instant) -> int:
    """Return the number of a frame, which increases with every uplink.

    Each interval has two numbers, so that a report after a restart, between two regular ones, gets its own.
    """
    return (instant - JOIN_TIME) // max(1, device.sensor.interval // 2) & 0xFFFF_FFFF


def frame_payload(readings: list[MeasuredValue]) -> bytes:
    """Return the bytes of a frame: for each reading a channel number and the value times 100, big-endian."""
    return b"".join(
        struct.pack(">Bi", number, max(-(2**31), min(2**31 - 1, round(reading.wire * 100))))
        for number, reading in enumerate(readings, 1)
    )


def gateway_of(device: VirtualDevice) -> str:
    """Return the gateway that receives a device: the one in the city folder, else one of `GATEWAYS`."""
    return device.sensor.gateway or GATEWAYS[int(uniform(device.noise_stream("radio"), -1) * len(GATEWAYS))]


class RadioReception(NamedTuple):
    """The reception of one frame by a gateway."""

    gateway: str  #: id in the characters that network servers allow, such as `alkmaar-gateway-noord`
    rssi: int  #: dBm
    snr: float  #: dB
    spreading_factor: int
    channel_hz: int


def radio_reception(device: VirtualDevice, instant: Instant) -> RadioReception:
    """Return the reception of the frame of an instant by the device's gateway."""
    source = device.noise_stream("radio")
    gateway = re.sub(r"[^a-z0-9]+", "-", gateway_of(device).lower())
    rssi = round(-96.0 + 14.0 * smooth_noise(source, instant / (50 * MINUTE)))
    snr = round(4.0 + 6.0 * smooth_noise(source ^ 1, instant / (50 * MINUTE)), 1)
    factor = 7 + int(uniform(source, -2) * 3)
    channel = CHANNELS_HZ[int(uniform(source, instant) * len(CHANNELS_HZ))]
    return RadioReception(gateway, rssi, snr, factor, channel)


def nanosecond_timestamp(instant: Instant, extra: int = 0) -> str:
    """Return an RFC 3339 time without zone, with nine decimals as in Go's protobuf timestamps.

    They may have three, six or nine decimals; a clock with nanoseconds nearly always needs nine.
    """
    text = format_instant(instant).removesuffix("Z")
    return f"{text if '.' in text else text + '.000000'}{extra % 1000:03d}"


def without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that protobuf's JSON contains: none that is "", 0, false, null or empty."""
    return {name: value for name, value in fields.items() if value not in ("", 0, False, {}, [], None)}
