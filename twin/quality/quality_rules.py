"""What is normal for an observed property: the numbers by which single observations are judged.

The defaults let everything pass that a Dutch city really does, and say of each number why it is that. Where a
reason names no source, no published one was found: the number is a judgement, and a city's `properties.yaml`
may state another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from twin.instant import DAY, HOUR, SECOND, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeRule:
    """When a value stands out from those before it: the Hampel identifier, for what jumped
    (`twin.quality.spike`).

    Suspect is what lies further from the median of the preceding values than `threshold` scaled median
    absolute deviations (Hampel, The influence curve and its role in robust estimation, Journal of the
    American Statistical Association 69, 1974; Davies & Gather, The identification of multiple outliers, the
    same journal 88, 1993), and further than `deviation_min`: a signal that is flat to its last digit has no
    deviation at all.
    """

    window: int = 13  #: preceding observations that are looked at; a true step is believed after half of them
    threshold: float = 6.0  #: twice the customary three, because sensors' noise is not normal
    deviation_min: float  #: canonical unit


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckRule:
    """When equal values are too many to be true: at least `count` of them over at least `duration_min`."""

    count: int
    duration_min: Duration
    except_values: tuple[float, ...] = ()  #: values that may repeat for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRules:
    """How the observations of one property are judged; a rule that is None judges nothing."""

    minimum: float | None = None  #: canonical unit, inclusive; narrower than what is physically possible
    maximum: float | None = None
    #: Canonical unit per second against the previous observation, unless a gap lies between the two; the way
    #: back from an outlier may be fast.
    rate_max: float | None = None
    spike: SpikeRule | None = None
    stuck: StuckRule | None = None
    #: How much later than measured, and than the interval that the value may speak for, it may be received. A
    #: network that retries for minutes, and a logger that reports each half-hour, are not late.
    late_after: Duration = HOUR
    #: How far ahead of its reception a value may be dated: a clock kept by NTP or LoRaWAN is off by seconds.
    skew_after: Duration = 30 * SECOND
    #: Canonical unit from the median of the other sensors on the entity; judged there, not here.
    disagreement: float | None = None


TIME_RULES_ONLY = QualityRules()
"""No rule about the value: only whether it is late, or dated ahead."""

# A day holds a night and a noon, a rush hour and an empty street: nothing out of doors that is measured
# finely is the same through all of it. 24 values, so a sensor that reports thrice a day is spared.
_SAME_ALL_DAY = StuckRule(count=24, duration_min=DAY)
_SAME_TWO_DAYS = replace(_SAME_ALL_DAY, duration_min=2 * DAY)
_SAME_THREE_DAYS = replace(_SAME_ALL_DAY, duration_min=3 * DAY)


def _air() -> dict[str, QualityRules]:
    # Reference monitors report negative hourly values in clean air, down to about -16 ug/m3. Fireworks
    # multiply the concentration by ten or more within the hour, so neither a step nor a rate says anything;
    # above 1,000 ug/m3 an optical sensor sees fog or its own dirt. Neighbours differ by a factor, not by an
    # amount, so there is no disagreement to state.
    dust = QualityRules(minimum=-20, maximum=1_000, stuck=_SAME_ALL_DAY)
    return {
        "pm1": dust,
        "pm2_5": dust,
        "pm10": dust,
        # The highest alert thresholds of 2008/50/EC are 400, 240 and 500 ug/m3; twice that, and a plume, fit.
        "no2": QualityRules(minimum=-20, maximum=1_000, stuck=_SAME_ALL_DAY),
        "o3": QualityRules(minimum=-20, maximum=600, stuck=_SAME_ALL_DAY),
        # Hardly any is left: most hours are at the detection limit, told as zero or as one last digit.
        "so2": QualityRules(
            minimum=-20, maximum=2_000, stuck=replace(_SAME_THREE_DAYS, except_values=(0.0,))
        ),
        # The background is above 420 ppm; below 300 the sensor has calibrated itself in stale air.
        "co2": QualityRules(minimum=300, maximum=10_000, stuck=_SAME_ALL_DAY),
        # A siren and a firecracker are what the microphone is for: no spike. Its own noise is at least 15 dB,
        # a jet engine at 30 m about 140. At night a cheap one rests on its floor for hours.
        "noise_level": QualityRules(
            minimum=15, maximum=140, stuck=StuckRule(count=60, duration_min=DAY // 2), disagreement=25
        ),
    }


def _weather() -> dict[str, QualityRules]:
    return {
        # The Netherlands' records are -27.4 and 40.7 degrees; roads and facades get hotter. A gust front
        # takes six degrees in ten minutes now and then, and none takes ten.
        "air_temperature": QualityRules(
            minimum=-30, maximum=55, spike=SpikeRule(deviation_min=8), stuck=_SAME_ALL_DAY, disagreement=8
        ),
        # A broken sensor says 0. In fog many rest at their highest value, for days.
        "relative_humidity": QualityRules(
            minimum=2,
            spike=SpikeRule(deviation_min=35),
            stuck=replace(_SAME_TWO_DAYS, except_values=(99.9, 100.0)),
            disagreement=30,
        ),
        # A squall's pressure jump is 2 to 4 hPa. Whole hectopascals may hold for a day under a high.
        "air_pressure": QualityRules(spike=SpikeRule(deviation_min=6), stuck=_SAME_TWO_DAYS, disagreement=6),
        # Gusts are short and high: no spike. Calm in the lee of a house lasts a night; the highest gust at a
        # Dutch station was 45 m/s.
        "wind_speed": QualityRules(maximum=60, stuck=_SAME_TWO_DAYS),
        # Without wind the vane stays where it is. A circle has no outliers and no rate in degrees.
        "wind_direction": QualityRules(stuck=_SAME_TWO_DAYS),
        # It does not rain most of the time; how much can fall in one observation depends on its interval.
        "rainfall": QualityRules(stuck=replace(_SAME_ALL_DAY, except_values=(0.0,))),
    }


def _mobility() -> dict[str, QualityRules]:
    # Zero is usual in a minute of the night, but a street on which nothing passed all day has a blind
    # counter; there are some that were blind for a month at full uptime. The school bell and the bridge make
    # steps.
    return {
        "vehicle_count": QualityRules(stuck=_SAME_ALL_DAY),
        "bicycle_count": QualityRules(stuck=_SAME_ALL_DAY),
        # A wet winter weekend keeps everybody from the path along the dike.
        "pedestrian_count": QualityRules(stuck=_SAME_THREE_DAYS),
        "traffic_flow": QualityRules(stuck=_SAME_ALL_DAY),
        # Zero says that nobody passed. Nothing drives faster than 250 km/h there, but radar echoes do.
        "vehicle_speed": QualityRules(maximum=250, stuck=replace(_SAME_ALL_DAY, except_values=(0.0,))),
    }


def _energy() -> dict[str, QualityRules]:
    # A kettle is a step and a holiday is a flat line: power and current are as they are told. Registers stand
    # still and are replaced; `twin.state.counter` reads them.
    still = ("power_import", "power_export", "current_l1", "current_l2", "current_l3", "water_volume")
    registers = (f"energy_{way}{tariff}" for way in ("import", "export") for tariff in ("", "_t1", "_t2"))
    # A dead phase is 0 V as long as it is dead, a broken neutral 400 V: both are true, and worth an alarm. A
    # dip is short and real; the norm judges means of ten minutes. Whole volts may hold through a quiet hour.
    voltage = QualityRules(stuck=StuckRule(count=60, duration_min=6 * HOUR, except_values=(0.0,)))
    return {
        **dict.fromkeys(still, TIME_RULES_ONLY),
        **dict.fromkeys(registers, TIME_RULES_ONLY),
        **{f"voltage_l{phase}": voltage for phase in (1, 2, 3)},
        # The gas meter hands its hourly reading to the electricity meter up to some hours later.
        "gas_volume": QualityRules(late_after=4 * HOUR),
    }


def _water() -> dict[str, QualityRules]:
    return {
        # Dutch tides rise by less than 2 m/h, canals and polders by some decimetres. A gate or a ship moves
        # the level by a decimetre or two between two readings. A polder told in centimetres is flat for
        # hours, so only a day of it is stuck.
        "water_level": QualityRules(
            rate_max=3.0 / 3600, spike=SpikeRule(deviation_min=0.25), stuck=_SAME_ALL_DAY, disagreement=0.5
        ),
        # Pumps switch: steps are right, and a pump that stands or runs at its rating tells equal values.
        "water_flow": TIME_RULES_ONLY,
        "pump_state": TIME_RULES_ONLY,
        # Water is slow; what jumps by five degrees hangs in the air or gives up. Deep water and water under
        # ice keep their temperature for days.
        "water_temperature": QualityRules(
            minimum=-2, maximum=45, spike=SpikeRule(deviation_min=5), stuck=_SAME_THREE_DAYS, disagreement=5
        ),
    }


DEFAULT_QUALITY_RULES: Mapping[str, QualityRules] = MappingProxyType(
    {
        **_air(),
        **_weather(),
        **_mobility(),
        **_energy(),
        **_water(),
        # Rounded to whole percents a battery stands still for weeks; a signal fades and jumps as it likes.
        "battery_level": TIME_RULES_ONLY,
        "signal_strength": TIME_RULES_ONLY,
    }
)
"""The rules of the built-in observed properties, by name; any other property is judged by
`TIME_RULES_ONLY`.
"""
