"""What both smart-meter formats share: made-up equipment ids, truncated registers, local times."""

from __future__ import annotations

from math import floor

from simulators.devices.device import VirtualDevice
from simulators.truth.local_calendar import utc_offset
from simulators.truth.noise import uniform
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant, to_datetime

# A meter asks the gas meter over M-Bus and shows the answer some seconds later.
_MBUS_LAG = 20 * SECOND
GAS_EVERY_V5 = 5 * MINUTE
GAS_EVERY_V4 = HOUR


def whole_second(instant: Instant) -> Instant:
    """Return the second in which an instant lies: a meter knows no parts of it."""
    return instant - instant % SECOND


def gas_time(instant: Instant, every: Duration) -> Instant:
    """Return when the gas meter was last read."""
    late = instant - _MBUS_LAG
    return late - late % every


def truncated(amount: float) -> float:
    """Return what a register shows: whole thousandths, those begun not counted."""
    return floor(amount * 1000.0) / 1000.0


def local_digits(timezone: str, instant: Instant) -> str:
    """Return the local time as `YYMMDDhhmmss`."""
    return f"{to_datetime(instant + utc_offset(timezone, instant)):%y%m%d%H%M%S}"


def equipment_id(device: VirtualDevice, kind: str, maker: str) -> str:
    """Return a made-up equipment id as meters tell it: the hex of an ASCII text of 17 characters."""
    serial = int(uniform(device.noise_stream("serial", kind), 0) * 10**13)
    return f"{maker}{serial:013d}".encode().hex().upper()
