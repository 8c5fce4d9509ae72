"""Metadata that LoRaWAN network servers share: the signal at the best gateway."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ingest.decoding import Reading
from ingest.formats.json_payload import as_number
from twin.instant import Instant


def is_damaged(gateways: Any) -> bool:
    """Return whether every gateway that checked the frame found its checksum wrong (`crcStatus`)."""
    found = [
        gateway.get("crcStatus")
        for gateway in (gateways if isinstance(gateways, list) else ())
        if isinstance(gateway, dict) and gateway.get("crcStatus") not in {None, "NO_CRC"}
    ]
    return bool(found) and all(status == "BAD_CRC" for status in found)


def radio_readings(gateways: Any, time: Instant | None, known: Iterable[str]) -> list[Reading]:
    """Return `signal_strength` (dBm) and `snr` (dB) of the gateway with the strongest signal.

    Both servers write JSON by the rules of proto3, which omit zeros: an absent snr is 0 dB. No gateway
    measures 0 dBm: an absent rssi means that the forwarder does not report it, and the entry is skipped.
    Fields in `known`, which the device itself sends, are left out.
    """
    signals: list[tuple[float, float]] = []
    for gateway in gateways if isinstance(gateways, list) else ():
        if isinstance(gateway, dict) and gateway.get("rssi") is not None:
            signals.append((as_number(gateway["rssi"]), as_number(gateway.get("snr", 0))))
    # NaN is neither less nor greater, and would hide a valid signal.
    signals = [signal for signal in signals if not math.isnan(signal[0])]
    if not signals:
        return []
    rssi, snr = max(signals)
    readings = [
        Reading("signal_strength", rssi, time, "dB[mW]"),
        Reading("snr", snr, time, "dB"),
    ]
    known_fields = set(known)
    return [reading for reading in readings if reading.field not in known_fields]
