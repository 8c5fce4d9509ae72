"""Traffic: intensity, speed ratio, level of service.

Sources: NDW (docs.ndw.nu, speeds and intensities; DEXTER reports) for what its numbers mean. No published
source was found for Dutch bands of the level of service: 0.75 and 0.5 of the free speed, and 0.8 and 1.0 of
the capacity, are customary.
"""

from __future__ import annotations

from enum import IntEnum

from twin.instant import HOUR, Duration

FREE_RATIO_MIN = 0.75  #: from here on traffic flows freely; no published source found
HEAVY_RATIO_MIN = 0.5  #: below it is congestion; no published source found


class LevelOfService(IntEnum):
    """How traffic flows; the words of DATEX II's traffic status."""

    FREE = 1
    HEAVY = 2
    CONGESTED = 3


def intensity_from_count(count: float, interval: Duration, coverage: float = 1.0) -> float | None:
    """Return vehicles per hour from the vehicles counted in an interval, `coverage` of which was counted.

    What was not counted is taken to be like the rest. None when nothing was counted at all: a counter without
    uptime reports zeros that are not an empty road.

    >>> intensity_from_count(150, HOUR // 6), intensity_from_count(0, HOUR, 0.0)
    (900.0, None)
    """
    if coverage <= 0 or interval <= 0:
        return None
    return count * HOUR / interval / coverage


def speed_ratio(speed: float, free_speed: float, flow: float | None = None) -> float | None:
    """Return the mean speed as a share of the free speed (both km/h).

    Speed 0 with flow 0 means that nobody passed (NDW): there is no speed, so None; the same where the flow is
    not known. Speed 0 with traffic is a standstill. None, too, where the free speed is not above 0.

    >>> speed_ratio(40, 80), speed_ratio(0, 80, 0), speed_ratio(0, 80), speed_ratio(0, 80, 120)
    (0.5, None, None, 0.0)
    """
    if free_speed <= 0 or speed < 0:
        return None
    if speed == 0 and not flow:
        return None
    return speed / free_speed


def level_of_service(ratio: float) -> LevelOfService:
    """Return the level of service of a speed ratio.

    >>> [level_of_service(ratio).name for ratio in (0.75, 0.74, 0.5, 0.49)]
    ['FREE', 'HEAVY', 'HEAVY', 'CONGESTED']
    """
    if ratio >= FREE_RATIO_MIN:
        return LevelOfService.FREE
    return LevelOfService.HEAVY if ratio >= HEAVY_RATIO_MIN else LevelOfService.CONGESTED


def capacity_ratio(intensity: float, capacity: float) -> float | None:
    """Return intensity over capacity (both vehicles per hour), the I/C of Dutch traffic engineering.

    None where the capacity is not above 0. Customarily 0.8 is busy and 1.0 full; no published source was
    found.
    """
    return intensity / capacity if capacity > 0 else None
