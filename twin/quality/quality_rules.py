"""Quality rules: the limits of normal values for an observed property.

The defaults accept everything that really happens in a Dutch city; a comment gives the reason for each
number. Where it names no source, no published one was found: the number is an estimate, and a city's
`properties.yaml` may state another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from twin.instant import DAY, HOUR, SECOND, Duration
from twin.quality.valid_when import ValidWhen


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikeRule:
    """When a value is a spike: the Hampel identifier, for values reached by a jump (`twin.quality.spike`).

    A value is suspect that lies further from the median of the preceding values than `threshold` scaled
    median absolute deviations (Hampel, The influence curve and its role in robust estimation, Journal of the
    American Statistical Association 69, 1974; Davies & Gather, The identification of multiple outliers, the
    same journal 88, 1993), and further than `deviation_min`: a signal that is flat to its last digit has a
    deviation of 0.
    """

    window: int = 13  #: number of preceding observations
    threshold: float = 6.0  #: twice the customary three, because the noise of sensors is not normal
    deviation_min: float  #: canonical unit


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedRule:
    """When a single value is suspect that neither the value before it nor the next one supports.

    The value differs by more than `deviation_min` from the value before it and from the median of the
    preceding ones. A neighbour supports it that lies beyond the median by at least `share` of that
    difference, or by less where that is more than the noise: smoke and dust that are real leave more than
    nothing an observation earlier or later. No published source found.
    """

    deviation_min: float  #: canonical unit
    share: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class NullValueRule:
    """Numbers that sources write where they have no measurement, and when such a number is suspect.

    A level gauge reports 0.0 in the hour that a logger cannot name, a dust monitor while its pump stands.
    Delft-FEWS knows the former as a temporary shift: an instrument that is reset falls to a constant value
    and returns (ValidationRuleSets); its numbers are left to the configuration.
    """

    values: tuple[float, ...] = (0.0,)
    #: Suspect if it differs by more than this from the last other value; canonical unit. Equal null values
    #: never confirm a level. None: not checked.
    deviation_min: float | None = None
    #: Suspect if at least `count` equal ones last at least as long. None: the rule for stuck values decides.
    duration_min: Duration | None = None
    count: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckRule:
    """When equal values are suspect: at least `count` in a row over at least `duration_min`.

    Delft-FEWS checks the same ("series of same readings" of its ValidationRuleSets, publicwiki.deltares.nl),
    and so does SaQC (flagConstants); both leave the numbers to the configuration.

    How long a value may stay equal depends on the resolution of the sensor, and on what it measures: a polder
    level in whole centimetres is flat for hours, a canal near the sea never. The values themselves show it.
    So `active_duration_min` is enough for a datastream that is active: one whose value in the days before
    never stayed equal for so long (`twin.quality.constant_run`).
    """

    count: int
    duration_min: Duration
    except_values: tuple[float, ...] = ()  #: values that may repeat without limit
    active_duration_min: Duration | None = None  #: None: activity does not matter


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRules:
    """The rules for the observations of one property; None switches a rule off."""

    minimum: float | None = None  #: canonical unit, inclusive; narrower than the physically possible range
    maximum: float | None = None
    #: Greatest change against the previous observation, canonical unit per second. Not checked over a gap,
    #: nor for the return from an outlier.
    rate_max: float | None = None
    spike: SpikeRule | None = None
    isolated: IsolatedRule | None = None
    null_values: NullValueRule | None = None
    stuck: StuckRule | None = None
    #: Greatest normal delay between the end of the measuring interval and the reception. A network that
    #: retries for minutes, and a logger that reports each half-hour, are not late.
    late_after: Duration = HOUR
    #: How far after its reception a value may be dated: a clock kept by NTP or LoRaWAN is wrong by seconds.
    skew_after: Duration = 30 * SECOND
    #: Greatest normal difference from the median of the entity's sensors, canonical unit; checked when they
    #: are combined.
    disagreement: float | None = None
    #: Checked at ingest, where the other fields of the message are known. None: no other field matters.
    valid_when: ValidWhen | None = None


TIME_RULES_ONLY = QualityRules()
"""No rule for the value: only for its delay and its clock."""

# A day has a night and a noon, a rush hour and an empty street: no fine outdoor measurement stays equal
# through all of it. At least 24 values, so that a sensor that reports three times a day is not flagged.
_SAME_ALL_DAY = StuckRule(count=24, duration_min=DAY)
_SAME_TWO_DAYS = replace(_SAME_ALL_DAY, duration_min=2 * DAY)
_SAME_THREE_DAYS = replace(_SAME_ALL_DAY, duration_min=3 * DAY)


def _air() -> dict[str, QualityRules]:
    # Reference monitors report negative hourly values in clean air, down to about -16 ug/m3. Fireworks
    # multiply the concentration by ten or more within the hour, so neither a step nor a rate is a sign of a
    # fault; above 1,000 ug/m3 an optical sensor measures fog or its own dirt. Neighbours differ by a factor,
    # not by an amount, so there is no limit for disagreement.
    #
    # RIVM publishes no numbers either: a computer checks the monitor, people judge the values each month
    # (lml.rivm.nl/meetnet/validatie.html). Smoke that is real can be measured an hour earlier or later as
    # well, on New Year's night too; recorded single hours of 243 to 794 ug/m3 between ordinary ones were
    # faults. So were twelve hours of exactly 0.0: clean air varies around zero.
    dust = QualityRules(
        minimum=-20,
        maximum=1_000,
        isolated=IsolatedRule(deviation_min=150),
        null_values=NullValueRule(duration_min=8 * HOUR),
        stuck=_SAME_ALL_DAY,
    )
    return {
        "pm1": dust,
        "pm2_5": dust,
        "pm10": dust,
        # The highest alert thresholds of 2008/50/EC are 400, 240 and 500 ug/m3; twice that, and a plume, are
        # accepted.
        "no2": QualityRules(minimum=-20, maximum=1_000, stuck=_SAME_ALL_DAY),
        "o3": QualityRules(minimum=-20, maximum=600, stuck=_SAME_ALL_DAY),
        # Concentrations are low: most hours are at the detection limit, reported as zero or as one last
        # digit.
        "so2": QualityRules(
            minimum=-20, maximum=2_000, stuck=replace(_SAME_THREE_DAYS, except_values=(0.0,))
        ),
        # The background is above 420 ppm; below 300 the sensor has calibrated itself in stale air.
        "co2": QualityRules(minimum=300, maximum=10_000, stuck=_SAME_ALL_DAY),
        # A siren and a firecracker are real: no spike rule. The noise of the microphone is at least 15 dB,
        # a jet engine at 30 m has about 140. At night a cheap microphone stays at its own noise for hours.
        "noise_level": QualityRules(
            minimum=15, maximum=140, stuck=StuckRule(count=60, duration_min=DAY // 2), disagreement=25
        ),
    }


def _weather() -> dict[str, QualityRules]:
    return {
        # The records of the Netherlands are -27.4 and 40.7 degrees; roads and facades get hotter. A gust
        # front lowers it by six degrees in ten minutes at times, never by ten.
        "air_temperature": QualityRules(
            minimum=-30, maximum=55, spike=SpikeRule(deviation_min=8), stuck=_SAME_ALL_DAY, disagreement=8
        ),
        # A broken sensor reports 0. In fog many stay at their highest value for days.
        "relative_humidity": QualityRules(
            minimum=2,
            spike=SpikeRule(deviation_min=35),
            stuck=replace(_SAME_TWO_DAYS, except_values=(99.9, 100.0)),
            disagreement=30,
        ),
        # A squall's pressure jump is 2 to 4 hPa. Whole hectopascals may hold for a day under a high.
        "air_pressure": QualityRules(spike=SpikeRule(deviation_min=6), stuck=_SAME_TWO_DAYS, disagreement=6),
        # Gusts are short and high: no spike rule. Calm in the lee of a house lasts a night; the highest gust
        # at a Dutch station was 45 m/s.
        "wind_speed": QualityRules(maximum=60, stuck=_SAME_TWO_DAYS),
        # Without wind the vane does not move. A circle has no outliers, and no rate in degrees.
        "wind_direction": QualityRules(stuck=_SAME_TWO_DAYS),
        # It does not rain most of the time; how much can fall in one observation depends on its interval.
        "rainfall": QualityRules(stuck=replace(_SAME_ALL_DAY, except_values=(0.0,))),
    }


def _mobility() -> dict[str, QualityRules]:
    # Zero is usual in a minute of the night. But where nothing passes all day, the counter is blind; some
    # were blind for a month while they reported. The end of school and an open bridge cause steps.
    #
    # A Telraam row whose `uptime`, the share of the hour that the camera watched, is 0 carries zeros: no
    # data, not no traffic (starwit/dave-adapter-telraam, doc/telraam.md).
    watching = ValidWhen(field="uptime", above=0)
    same_all_day = QualityRules(stuck=_SAME_ALL_DAY, valid_when=watching)
    return {
        "vehicle_count": same_all_day,
        "bicycle_count": same_all_day,
        # On a wet winter weekend nobody walks on the path along the dike.
        "pedestrian_count": QualityRules(stuck=_SAME_THREE_DAYS, valid_when=watching),
        "traffic_flow": same_all_day,
        # Zero means that nobody passed. No vehicle is faster than 250 km/h there, but radar echoes are.
        "vehicle_speed": QualityRules(
            maximum=250, stuck=replace(_SAME_ALL_DAY, except_values=(0.0,)), valid_when=watching
        ),
    }


def _energy() -> dict[str, QualityRules]:
    # A kettle causes a step and a holiday a flat line: power and current have no rule. Registers stand still
    # and are replaced; `twin.state.counter` handles that.
    still = ("power_import", "power_export", "current_l1", "current_l2", "current_l3", "water_volume")
    registers = (
        f"energy_{direction}{tariff}" for direction in ("import", "export") for tariff in ("", "_t1", "_t2")
    )
    # A dead phase has 0 V until it is repaired, a broken neutral causes 400 V: both are real, and need an
    # alarm. A dip is short and real; the standard uses means of ten minutes. Whole volts may stay equal for a
    # quiet hour.
    voltage = QualityRules(stuck=StuckRule(count=60, duration_min=6 * HOUR, except_values=(0.0,)))
    return {
        **dict.fromkeys(still, TIME_RULES_ONLY),
        **dict.fromkeys(registers, TIME_RULES_ONLY),
        **{f"voltage_l{phase}": voltage for phase in (1, 2, 3)},
        # The gas meter passes its hourly reading to the electricity meter up to some hours later.
        "gas_volume": QualityRules(late_after=4 * HOUR),
    }


def _water() -> dict[str, QualityRules]:
    return {
        # Dutch tides rise by less than 2 m/h, canals and polders by some decimetres. A gate or a ship moves
        # the level by a decimetre or two between two readings. A polder level in whole centimetres is flat
        # for hours, so it is stuck only after a day; eight hours are enough where the level was active. A
        # gauge of the Schermerboezem wrote 0.0 for four quarter-hours among levels of -1.4 m.
        "water_level": QualityRules(
            rate_max=3.0 / 3600,
            spike=SpikeRule(deviation_min=0.25),
            null_values=NullValueRule(deviation_min=0.1),
            stuck=replace(_SAME_ALL_DAY, active_duration_min=8 * HOUR),
            disagreement=0.5,
        ),
        # Pumps switch: steps are real, and a pump that stands or runs at its rated flow reports equal values.
        "water_flow": TIME_RULES_ONLY,
        "pump_state": TIME_RULES_ONLY,
        # Water changes slowly; a sensor that jumps by five degrees is in the air or fails. Deep water and
        # water under ice keep their temperature for days.
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
        # In whole percents a battery level stays equal for weeks; a signal strength fades and jumps.
        "battery_level": TIME_RULES_ONLY,
        "signal_strength": TIME_RULES_ONLY,
    }
)
"""The rules of the built-in observed properties, by name; other properties have `TIME_RULES_ONLY`."""
