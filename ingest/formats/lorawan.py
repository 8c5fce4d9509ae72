"""What the LoRaWAN network servers have in common: how well the best gateway heard the frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ingest.decoding import Reading
from ingest.formats.json_payload import as_number
from twin.instant import Instant


def radio_readings(gateways: Any, time: Instant | None, flags: int, known: Iterable[str]) -> list[Reading]:
    """Return `signal_strength` (dBm) and `snr` (dB) of the gateway that received the frame the strongest.

    Both servers write JSON by the rules of proto3, which leave out zeros: an absent snr is 0 dB. An absent
    rssi is not 0 dBm, which no gateway reports, but a forwarder that does not tell; such entries are passed
    over. Fields that the device itself names (`known`) are not said twice.
    """
    heard: list[tuple[float, float]] = []
    for gateway in gateways if isinstance(gateways, list) else ():
        if isinstance(gateway, dict) and gateway.get("rssi") is not None:
            heard.append((as_number(gateway["rssi"]), as_number(gateway.get("snr", 0))))
    # NaN compares as neither less nor greater and would hide a good one.
    heard = [one for one in heard if not math.isnan(one[0])]
    if not heard:
        return []
    rssi, snr = max(heard)
    readings = [
        Reading("signal_strength", rssi, time, "dB[mW]", flags),
        Reading("snr", snr, time, "dB", flags),
    ]
    taken = set(known)
    return [one for one in readings if one.field not in taken]
