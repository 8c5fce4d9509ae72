"""The objects of a P1 telegram that become readings, and their names in other software.

Sources: DSMR P1 companion standard v5.0.2, §6.12 (OBIS references, units); the MQTT field names of
DSMR-reader; the value names of dsmr-parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class P1Object(NamedTuple):
    """One object: OBIS reference, our name, and the names in dsmr-parser and DSMR-reader."""

    obis: str
    name: str
    parser_name: str
    reader_name: str | None = None


def _phase(phase: int) -> tuple[P1Object, ...]:
    offset, line = 20 * (phase - 1), f"l{phase}"
    upper = f"L{phase}"
    return (
        P1Object(
            f"1-0:{32 + offset}.7.0",
            f"voltage_{line}",
            f"INSTANTANEOUS_VOLTAGE_{upper}",
            f"phase_voltage_{line}",
        ),
        P1Object(
            f"1-0:{31 + offset}.7.0",
            f"current_{line}",
            f"INSTANTANEOUS_CURRENT_{upper}",
            f"phase_power_current_{line}",
        ),
        P1Object(
            f"1-0:{21 + offset}.7.0",
            f"power_import_{line}",
            f"INSTANTANEOUS_ACTIVE_POWER_{upper}_POSITIVE",
            f"phase_currently_delivered_{line}",
        ),
        P1Object(
            f"1-0:{22 + offset}.7.0",
            f"power_export_{line}",
            f"INSTANTANEOUS_ACTIVE_POWER_{upper}_NEGATIVE",
            f"phase_currently_returned_{line}",
        ),
        P1Object(
            f"1-0:{32 + offset}.32.0",
            f"voltage_sag_count_{line}",
            f"VOLTAGE_SAG_{upper}_COUNT",
        ),
        P1Object(
            f"1-0:{32 + offset}.36.0",
            f"voltage_swell_count_{line}",
            f"VOLTAGE_SWELL_{upper}_COUNT",
        ),
    )


P1_OBJECTS: tuple[P1Object, ...] = (
    P1Object("1-0:1.8.0", "energy_import", "ELECTRICITY_IMPORTED_TOTAL"),
    P1Object("1-0:1.8.1", "energy_import_t1", "ELECTRICITY_USED_TARIFF_1", "electricity_delivered_1"),
    P1Object("1-0:1.8.2", "energy_import_t2", "ELECTRICITY_USED_TARIFF_2", "electricity_delivered_2"),
    P1Object("1-0:2.8.0", "energy_export", "ELECTRICITY_EXPORTED_TOTAL"),
    P1Object("1-0:2.8.1", "energy_export_t1", "ELECTRICITY_DELIVERED_TARIFF_1", "electricity_returned_1"),
    P1Object("1-0:2.8.2", "energy_export_t2", "ELECTRICITY_DELIVERED_TARIFF_2", "electricity_returned_2"),
    P1Object("1-0:1.7.0", "power_import", "CURRENT_ELECTRICITY_USAGE", "electricity_currently_delivered"),
    P1Object("1-0:2.7.0", "power_export", "CURRENT_ELECTRICITY_DELIVERY", "electricity_currently_returned"),
    P1Object("0-0:96.14.0", "tariff", "ELECTRICITY_ACTIVE_TARIFF", "electricity_tariff"),
    P1Object("0-0:96.7.21", "power_failure_count", "SHORT_POWER_FAILURE_COUNT"),
    P1Object("0-0:96.7.9", "long_power_failure_count", "LONG_POWER_FAILURE_COUNT"),
    *_phase(1),
    *_phase(2),
    *_phase(3),
)
"""Every decoded object; the order has no meaning."""

TARIFF_SUMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "energy_import": ("energy_import_t1", "energy_import_t2"),
        "energy_export": ("energy_export_t1", "energy_export_t2"),
    }
)
"""Totals that Dutch meters do not send, and the registers that they sum."""

MBUS_TYPES: Mapping[int, str] = MappingProxyType({3: "gas_volume", 4: "heat_energy", 7: "water_volume"})
"""M-Bus device types (EN 13757-3, table 13) → our name of the measured quantity."""


def _aliases() -> dict[str, str]:
    aliases = {
        "HOURLY_GAS_METER_READING": "gas_volume",
        "GAS_METER_READING": "gas_volume",
        "extra_device_delivered": "gas_volume",
    }
    for item in P1_OBJECTS:
        names = (item.obis, item.parser_name, item.reader_name)
        aliases.update({name: item.name for name in names if name is not None and name != item.name})
    return aliases


P1_ALIASES: Mapping[str, str] = MappingProxyType(_aliases())
"""Other field names that a city may use: OBIS references, and names of dsmr-parser and DSMR-reader."""
