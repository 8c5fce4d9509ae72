"""What both LoRaWAN network servers know of an end device: addresses, frames and how they were heard."""

from __future__ import annotations

import re
import struct
from hashlib import blake2b

from simulators.devices.device import Device, Measured
from simulators.truth.noise import smooth, unit
from twin.instant import MINUTE, Instant, format_instant

# The uplink channels that every EU868 end device has (LoRaWAN Regional Parameters, EU863-870).
CHANNELS_HZ = (868_100_000, 868_300_000, 868_500_000)
PORT = 2
# They hear the devices of a city that does not say what does.
GATEWAYS = ("livetwin-gw-noord", "livetwin-gw-zuid", "livetwin-gw-oost")
FEEDS = ("ttn", "chirpstack")
# Joined on 1 January 2026; frames are counted from there.
JOINED: Instant = 1_767_225_600_000_000
_EUI = re.compile(r"(?:eui-)?([0-9a-fA-F]{16})")


def hexadecimal(size: int, *names: str) -> str:
    """Return `size` made-up bytes, in hex, always the same for the same names."""
    return blake2b("\x1f".join(names).encode(), digest_size=size).hexdigest()


def device_eui(device: Device) -> str:
    """Return the 16 lower-case hex digits of the DevEUI: those in the device's name, else made-up ones."""
    found = _EUI.fullmatch(device.sensor.device)
    return found[1].lower() if found else hexadecimal(8, "eui", device.sensor.device)


def frame_counter(device: Device, instant: Instant) -> int:
    """Return the frame's number: rises with every uplink.

    Two numbers an interval, so that the report after a restart, between two regular ones, has its own.
    """
    return (instant - JOINED) // max(1, device.sensor.interval // 2) & 0xFFFF_FFFF


def frame(readings: list[Measured]) -> bytes:
    """Return the frame's bytes: a channel number and a value times 100, big-endian, for each reading."""
    return b"".join(
        struct.pack(">Bi", number, max(-(2**31), min(2**31 - 1, round(one.wire * 100))))
        for number, one in enumerate(readings, 1)
    )


def gateway_of(device: Device) -> str:
    """Return the gateway that hears a device: the one that the city names, else one of `GATEWAYS`."""
    return device.sensor.gateway or GATEWAYS[int(unit(device.source("radio"), -1) * len(GATEWAYS))]


def heard(device: Device, instant: Instant) -> tuple[str, int, float, int, int]:
    """Return how a gateway heard the frame: name, RSSI (dBm), SNR (dB), spreading factor, Hz.

    The name is the gateway's id as network servers allow it: `alkmaar-gateway-noord`.
    """
    source = device.source("radio")
    gateway = re.sub(r"[^a-z0-9]+", "-", gateway_of(device).lower())
    rssi = round(-96.0 + 14.0 * smooth(source, instant / (50 * MINUTE)))
    snr = round(4.0 + 6.0 * smooth(source ^ 1, instant / (50 * MINUTE)), 1)
    factor = 7 + int(unit(source, -2) * 3)
    channel = CHANNELS_HZ[int(unit(source, instant) * len(CHANNELS_HZ))]
    return gateway, rssi, snr, factor, channel


def nanoseconds(instant: Instant, extra: int = 0) -> str:
    """Return RFC 3339 without zone, with the nine decimals that Go's protobuf timestamps show.

    Three, six or nine digits are allowed; a clock that reads nanoseconds nearly always needs nine.
    """
    text = format_instant(instant).removesuffix("Z")
    return f"{text if '.' in text else text + '.000000'}{extra % 1000:03d}"
