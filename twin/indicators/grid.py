"""Grid: transformer load, feed-in, and the voltage quality of EN 50160 and the Dutch grid code.

Sources: Netcode elektriciteit, art. 7.3 (Stcrt. 2020, 53673), which follows EN 50160: 230 V within ±10 % for
95 % of the ten-minute means of a week, and within +10/-15 % for all of them. A second's voltage says nothing
about either. Load is of the rated apparent power; levels of 80, 100 and 120 % are customary, no published
source was found.
"""

from __future__ import annotations

NOMINAL_VOLTAGE = 230.0  #: V, EN 50160

# kW per kVA where the entity does not say; no published source found.
POWER_FACTOR = 0.95


def transformer_load(
    net_power: float, rated_power: float, power_factor: float = POWER_FACTOR
) -> float | None:
    """Return the load in % of the rated apparent power (kVA), from net active power (kW) in either direction.

    None where the rating is not above 0 or the power factor is not in (0, 1].

    >>> transformer_load(-380.0, 400.0), transformer_load(200.0, 400.0, 1.0)
    (100.0, 50.0)
    """
    if rated_power <= 0 or not 0 < power_factor <= 1:
        return None
    return 100.0 * abs(net_power) / (power_factor * rated_power)


def net_power(power_import: float, power_export: float) -> float:
    """Return taken minus fed-in power (kW); negative is feed-in."""
    return power_import - power_export


def feed_in_share(power_import: float, power_export: float) -> float | None:
    """Return fed-in power in % of all that flows through the connections, in either direction.

    0 where nobody feeds in, 100 where nobody takes. It is what is left after the homes' own use, so not the
    whole production of their panels. None where nothing flows. Our definition; no published source was found.

    >>> feed_in_share(30.0, 10.0)
    25.0
    """
    flow = power_import + power_export
    return 100.0 * (power_export / flow) if flow > 0 else None


def voltage_deviation(voltage: float) -> float:
    """Return how far (%) a ten-minute mean voltage (V) is from 230 V; negative below it.

    >>> voltage_deviation(253.0)
    10.0
    """
    return 100.0 * (voltage - NOMINAL_VOLTAGE) / NOMINAL_VOLTAGE
