"""Air: the Dutch and the European index, and the running means that limit values refer to."""

from __future__ import annotations

from twin.indicators import eaqi, lki
from twin.indicators.indicator import Attributes, Indicator, Input, UsableInputs
from twin.indicators.running_mean import EIGHT_HOURS, mean_of_hours
from twin.instant import DAY, Duration
from twin.model.bilingual_text import BilingualText


def _hour(inputs: UsableInputs) -> dict[str, float]:
    return {name: values[-1].value for name, values in inputs.items()}


def _lki(inputs: UsableInputs, attributes: Attributes) -> float:
    return float(lki.lki(_hour(inputs)).published)


def _eaqi(inputs: UsableInputs, attributes: Attributes) -> float:
    return float(eaqi.eaqi(_hour(inputs)).level)


def _running(name: str, property: str, length: Duration, title: BilingualText) -> Indicator:
    def formula(inputs: UsableInputs, attributes: Attributes) -> float | None:
        # They are valid, one for each hour, and none is older than the length.
        return mean_of_hours([one.value for one in inputs[property]], length)

    hours = length * 24 // DAY
    return Indicator(
        name=name,
        unit="ug/m3",
        theme="environment",
        title=title,
        inputs=(Input(property=property, averaging="hour", history=length),),
        roll_up="mean",
        formula=formula,
        formula_text=f"mean of the valid hours among the last {hours}, at least {hours * 3 // 4} of them",
        source="Directive 2008/50/EC, annexes VII (A, 2) and XI (A)",
    )


AIR: tuple[Indicator, ...] = (
    Indicator(
        name="lki",
        unit="1",
        theme="environment",
        title=BilingualText("Dutch air-quality index", "Luchtkwaliteitsindex (LKI)"),
        inputs=tuple(Input(property=name, averaging="hour", need="optional") for name in lki.EDGES),
        roll_up="max",
        same_time=True,
        formula=_lki,
        formula_text="highest class of the hourly means, 1 to 11; one higher where two or more all agree",
        source="RIVM report 2014-0050; luchtmeetnet.nl; edges 10/11 from R package con2lki",
    ),
    Indicator(
        name="eaqi",
        unit="1",
        theme="environment",
        title=BilingualText("European air-quality index", "Europese luchtkwaliteitsindex (EAQI)"),
        inputs=tuple(Input(property=name, averaging="hour", need="optional") for name in eaqi.EDGES),
        roll_up="max",
        same_time=True,
        formula=_eaqi,
        formula_text="highest level of the pollutants' hourly means, 1 to 6",
        source="European Environment Agency, bands of 2024 (ETC-HE 2024/17)",
    ),
    _running(
        "pm2_5_24h", "pm2_5", DAY, BilingualText("PM2.5, running 24 hours", "PM2,5, lopend 24-uursgemiddelde")
    ),
    _running(
        "pm10_24h", "pm10", DAY, BilingualText("PM10, running 24 hours", "PM10, lopend 24-uursgemiddelde")
    ),
    _running(
        "o3_8h", "o3", EIGHT_HOURS, BilingualText("Ozone, running 8 hours", "Ozon, lopend 8-uursgemiddelde")
    ),
)
