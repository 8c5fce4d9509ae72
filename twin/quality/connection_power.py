"""The most power that the connection of a household can take or deliver: a bound of its meter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

CONNECTION_POWERS = frozenset({"power_import", "power_export"})
"""Properties that a household's meter reports, in kW."""

SMALL_CONNECTION_KW_MAX = 60.72
"""The largest connection of a household in the Netherlands, 3 × 80 A, at 253 V, the highest voltage."""


def connection_power_max(attributes: Mapping[str, Any]) -> float:
    """Return the bound of one connection of an entity, kW: its attribute `connectionPower`, or the largest.

    >>> connection_power_max({"connectionPower": {"kW": 19}}), connection_power_max({})
    (19.0, 60.72)
    """
    given = attributes.get("connectionPower")
    power = given.get("kW") if isinstance(given, Mapping) else given
    if (
        isinstance(power, bool)
        or not isinstance(power, int | float)
        or not math.isfinite(power)
        or power <= 0
    ):
        return SMALL_CONNECTION_KW_MAX
    return float(power)
