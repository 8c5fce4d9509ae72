"""What both LoRaWAN network servers know of an end device: addresses, frames and how they were heard."""

from __future__ import annotations

import re
import struct
from hashlib import blake2b

from simulators.devices.device import MeasuredValue, VirtualDevice
from simulators.truth.noise import smooth_noise, uniform
from twin.instant import MINUTE, Instant, format_instant

# The uplink channels that every EU868 end device has (LoRaWAN Regional Parameters, EU863-870).
CHANNELS_HZ = (868_100_000, 868_300_000, 868_500_000)
PORT = 2
# They hear the devices of a city that does not say what does.
GATEWAYS = ("livetwin-gw-noord", "livetwin-gw-zuid", "livetwin-gw-oost")
LORAWAN_FEEDS = ("ttn", "chirpstack")
# Joined on 1 January 2026; frames are counted from there.
JOIN_TIME: Instant = 1_767_225_600_000_000
_EUI = re.compile(r"(?:eui-)?([0-9a-fA-F]{16})")


def made_up_hex(size: int, *names: str) -> str:
    """Return `size` made-up bytes, in hex, always the same for the same names."""
    return blake2b("\x1f".join(names).encode(), digest_size=size).hexdigest()


def device_eui(device: VirtualDevice) -> str:
    """Return the 16 lower-case hex digits of the DevEUI: those in the device's name, else made-up ones."""
    found = _EUI.fullmatch(device.sensor.device)
    return found[1].lower() if found else made_up_hex(8, "eui", device.sensor.device)


def frame_counter(device: VirtualDevice, instant: Instant) -> int:
    """Return the frame's number: rises with every uplink.

    Two numbers an interval, so that the report after a restart, between two regular ones, has its own.
    """
    return (instant - JOIN_TIME) // max(1, device.sensor.interval // 2) & 0xFFFF_FFFF


def frame_payload(readings: list[MeasuredValue]) -> bytes:
    """Return the frame's bytes: a channel number and a value times 100, big-endian, for each reading."""
    return b"".join(
        struct.pack(">Bi", number, max(-(2**31), min(2**31 - 1, round(one.wire * 100))))
        for number, one in enumerate(readings, 1)
    )


def gateway_of(device: VirtualDevice) -> str:
    """Return the gateway that hears a device: the one that the city names, else one of `GATEWAYS`."""
    return device.sensor.gateway or GATEWAYS[int(uniform(device.noise_stream("radio"), -1) * len(GATEWAYS))]


def radio_reception(device: VirtualDevice, instant: Instant) -> tuple[str, int, float, int, int]:
    """Return how a gateway heard the frame: name, RSSI (dBm), SNR (dB), spreading factor, Hz.

    The name is the gateway's id as network servers allow it: `alkmaar-gateway-noord`.
    """
    source = device.noise_stream("radio")
    gateway = re.sub(r"[^a-z0-9]+", "-", gateway_of(device).lower())
    rssi = round(-96.0 + 14.0 * smooth_noise(source, instant / (50 * MINUTE)))
    snr = round(4.0 + 6.0 * smooth_noise(source ^ 1, instant / (50 * MINUTE)), 1)
    factor = 7 + int(uniform(source, -2) * 3)
    channel = CHANNELS_HZ[int(uniform(source, instant) * len(CHANNELS_HZ))]
    return gateway, rssi, snr, factor, channel


def nanosecond_timestamp(instant: Instant, extra: int = 0) -> str:
    """Return RFC 3339 without zone, with the nine decimals that Go's protobuf timestamps show.

    Three, six or nine digits are allowed; a clock that reads nanoseconds nearly always needs nine.
    """
    text = format_instant(instant).removesuffix("Z")
    return f"{text if '.' in text else text + '.000000'}{extra % 1000:03d}"
