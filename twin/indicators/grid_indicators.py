"""The indicators of the electricity grid.

Attributes: `ratedPower` (`{kVA: 400}`) and, if known, `powerFactor`.
All are of ten-minute means: our windows have no quarter of an hour, and EN 50160 asks for ten minutes anyway.
"""

from __future__ import annotations

from collections.abc import Mapping

from twin.indicators import grid
from twin.indicators.indicator import Attributes, Indicator, Input, UsableInputs, newest, number
from twin.model.bilingual_text import BilingualText

_IMPORT = Input(property="power_import", averaging="ten_minutes")
_EXPORT = Input(property="power_export", averaging="ten_minutes")
# What the transformer itself carries (kW, negative is feed-in; a property of the city's own). Where it is
# measured, the meters below it, seldom all of them, must not stand in for it.
_TRANSFORMER = Input(property="transformer_power", averaging="ten_minutes", need="sole")
_EXPORT_IF_GIVEN = Input(property="power_export", averaging="ten_minutes", need="if_given")


def rated_power(attributes: Attributes) -> float | None:
    """Return the rated apparent power (kVA) of an entity, from `{kVA: 400}` or a plain number of kVA.

    >>> rated_power({"ratedPower": {"kVA": 630}}), rated_power({"ratedPower": 400}), rated_power({})
    (630.0, 400.0, None)
    """
    found = attributes.get("ratedPower")
    return number(found, "kVA") if isinstance(found, Mapping) else number(attributes, "ratedPower")


def _transformer_load(given: UsableInputs, attributes: Attributes) -> float | None:
    rated = rated_power(attributes)
    if rated is None:
        return None
    power = newest(given, "transformer_power")
    if power is None:
        power = grid.net_power(given["power_import"][-1].value, newest(given, "power_export") or 0.0)
    power_factor = number(attributes, "powerFactor")
    return grid.transformer_load(power, rated, grid.POWER_FACTOR if power_factor is None else power_factor)


def _net_power(given: UsableInputs, attributes: Attributes) -> float:
    return grid.net_power(given["power_import"][-1].value, given["power_export"][-1].value)


def _feed_in(given: UsableInputs, attributes: Attributes) -> float | None:
    return grid.feed_in_share(given["power_import"][-1].value, given["power_export"][-1].value)


def _voltage_deviation(given: UsableInputs, attributes: Attributes) -> float:
    return max((grid.voltage_deviation(values[-1].value) for values in given.values()), key=abs)


GRID: tuple[Indicator, ...] = (
    Indicator(
        name="transformer_load",
        unit="%",
        theme="energy",
        title=BilingualText("Transformer load", "Transformatorbelasting"),
        inputs=(_TRANSFORMER, _IMPORT, _EXPORT_IF_GIVEN),
        attributes=("ratedPower",),
        roll_up="max",
        same_time=True,
        formula=_transformer_load,
        formula_text="100 × |transformer_power, else net_power| ÷ (ratedPower × powerFactor)",
        source=f"by definition; powerFactor {grid.POWER_FACTOR} unless given: no published source found",
    ),
    Indicator(
        name="voltage_deviation",
        unit="%",
        theme="energy",
        title=BilingualText("Voltage deviation, worst phase", "Spanningsafwijking, slechtste fase"),
        inputs=tuple(
            Input(property=f"voltage_l{phase}", averaging="ten_minutes", need="optional")
            for phase in (1, 2, 3)
        ),
        roll_up="none",
        same_time=True,
        formula=_voltage_deviation,
        formula_text="100 × (ten-minute mean − 230 V) ÷ 230 V of the phase furthest from 230 V",
        source="EN 50160; Netcode elektriciteit, art. 7.3",
    ),
    Indicator(
        name="net_power",
        unit="kW",
        theme="energy",
        title=BilingualText("Net power", "Nettovermogen"),
        inputs=(_IMPORT, _EXPORT),
        roll_up="sum",
        same_time=True,
        formula=_net_power,
        formula_text="power_import − power_export; negative is feed-in",
        source="by definition",
    ),
    Indicator(
        name="solar_feed_in",
        unit="%",
        theme="energy",
        title=BilingualText("Feed-in share", "Aandeel teruglevering"),
        inputs=(_IMPORT, _EXPORT),
        roll_up="none",
        same_time=True,
        formula=_feed_in,
        formula_text="100 × power_export ÷ (power_import + power_export)",
        source="our definition; no published source found",
    ),
)
