"""Electricity grid: transformer load, net power, feed-in and voltage deviation.

Attributes of the entity: `ratedPower` (`{kVA: 400}`) and, if known, `powerFactor`. Inputs are ten-minute
means: windows of a quarter of an hour are not kept, and EN 50160 requires ten minutes for voltages. The
limits for voltages are those of the Dutch grid code (Netcode elektriciteit, art. 7.3, Stcrt. 2020, 53673),
which follows EN 50160. Load is relative to the rated apparent power; levels of 80, 100 and 120 % are
customary, no published source was found.
"""

from __future__ import annotations

from collections.abc import Mapping

from twin.indicators.indicator import Attributes, Indicator, Input, UsableInputs, newest, number
from twin.model.bilingual_text import BilingualText

NOMINAL_VOLTAGE = 230.0  #: V, EN 50160

# kW per kVA if the entity has no `powerFactor`; no published source found.
POWER_FACTOR = 0.95


def transformer_load(
    net_power: float, rated_power: float, power_factor: float = POWER_FACTOR
) -> float | None:
    """Return the load in % of the rated apparent power (kVA), from net active power (kW) in either direction.

    None if the rating is not above 0 or the power factor is not in (0, 1].

    >>> transformer_load(-380.0, 400.0), transformer_load(200.0, 400.0, 1.0)
    (100.0, 50.0)
    """
    if rated_power <= 0 or not 0 < power_factor <= 1:
        return None
    return 100.0 * abs(net_power) / (power_factor * rated_power)


def net_power(power_import: float, power_export: float) -> float:
    """Return drawn power minus fed-in power (kW); negative is feed-in."""
    return power_import - power_export


def feed_in_share(power_import: float, power_export: float) -> float | None:
    """Return fed-in power in % of the sum of drawn and fed-in power.

    0 without feed-in, 100 without consumption. Feed-in excludes what the homes use themselves, so it is less
    than the production of their panels. None if both are 0. Our definition; no published source was found.

    >>> feed_in_share(30.0, 10.0)
    25.0
    """
    flow = power_import + power_export
    return 100.0 * (power_export / flow) if flow > 0 else None


def voltage_deviation(voltage: float) -> float:
    """Return the deviation (%) of a ten-minute mean voltage (V) from 230 V; negative below it.

    >>> voltage_deviation(253.0)
    10.0
    """
    return 100.0 * (voltage - NOMINAL_VOLTAGE) / NOMINAL_VOLTAGE


_IMPORT = Input(property="power_import", averaging="ten_minutes")
_EXPORT = Input(property="power_export", averaging="ten_minutes")
# The power through the transformer itself (kW, negative is feed-in), a property that a city may define. If it
# is measured, the meters of its connections do not replace it: seldom all connections have one.
_TRANSFORMER = Input(property="transformer_power", averaging="ten_minutes", need="sole")
_EXPORT_IF_GIVEN = Input(property="power_export", averaging="ten_minutes", need="if_given")


def rated_power(attributes: Attributes) -> float | None:
    """Return the rated apparent power (kVA) of an entity, from `{kVA: 400}` or a plain number of kVA.

    >>> rated_power({"ratedPower": {"kVA": 630}}), rated_power({"ratedPower": 400}), rated_power({})
    (630.0, 400.0, None)
    """
    rated = attributes.get("ratedPower")
    return number(rated, "kVA") if isinstance(rated, Mapping) else number(attributes, "ratedPower")


def _transformer_load(inputs: UsableInputs, attributes: Attributes) -> float | None:
    rated = rated_power(attributes)
    if rated is None:
        return None
    power = newest(inputs, "transformer_power")
    if power is None:
        power = net_power(inputs["power_import"][-1].value, newest(inputs, "power_export") or 0.0)
    power_factor = number(attributes, "powerFactor")
    return transformer_load(power, rated, POWER_FACTOR if power_factor is None else power_factor)


def _net_power(inputs: UsableInputs, attributes: Attributes) -> float:
    return net_power(inputs["power_import"][-1].value, inputs["power_export"][-1].value)


def _feed_in(inputs: UsableInputs, attributes: Attributes) -> float | None:
    return feed_in_share(inputs["power_import"][-1].value, inputs["power_export"][-1].value)


def _voltage_deviation(inputs: UsableInputs, attributes: Attributes) -> float:
    return max((voltage_deviation(values[-1].value) for values in inputs.values()), key=abs)


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
        source=f"by definition; powerFactor {POWER_FACTOR} unless given: no published source found",
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
