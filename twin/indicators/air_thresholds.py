"""Air-quality thresholds as dated sets of rules: which one holds when, and what exceeds it.

Directive (EU) 2024/2881 is to be transposed by 11 December 2026, and 2008/50/EC is repealed with effect from
the 12th (its art. 30 and 31). We switch at the start of that day in the Netherlands, 2026-12-11T23:00:00Z: a
directive binds by the calendar day, and on that date Dutch civil time and the fixed +01:00 of Dutch air
measurements agree.

Only what an operator can be told about today is here: information, alert and guideline levels of hours and
days. Limit values that are judged over a calendar year are not. Levels hold for an area (100 km², or a whole
zone); that a single sensor exceeds one is a reason to look, not yet an episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from twin.instant import DAY, HOUR, Duration, Instant, parse_instant

Kind: TypeAlias = Literal["information", "alert", "guideline"]

Averaging: TypeAlias = Literal["hour", "running_8h", "running_24h", "day"]
"""Mean of an hour, of the 8 or 24 hours up to it, or of a local day."""

SWITCH: Instant = parse_instant("2026-12-12T00:00:00+01:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A level of one pollutant."""

    pollutant: str
    kind: Kind
    averaging: Averaging
    level: float  #: µg/m3
    source: str
    consecutive: int = 1  #: how many means in a row must exceed it
    inclusive: bool = False  #: whether the level itself exceeds it already

    def exceeded_by(self, mean: float) -> bool:
        """Whether one mean is beyond the level."""
        return mean >= self.level if self.inclusive else mean > self.level

    @property
    def longest_step(self) -> Duration:
        """How far apart the starts of two means in a row may be: a local day lasts up to 25 hours."""
        return DAY + HOUR if self.averaging == "day" else HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Thresholds that hold from `start` until before `end`; None is without bound."""

    id: str
    title: str
    thresholds: tuple[Threshold, ...]
    start: Instant | None = None
    end: Instant | None = None


@dataclass(frozen=True, slots=True)
class _Levels:
    """Levels of several pollutants that are alike in all else."""

    source: str
    kind: Kind
    averaging: Averaging
    consecutive: int = 1
    inclusive: bool = False

    def of(self, **levels: float) -> tuple[Threshold, ...]:
        return tuple(
            Threshold(
                pollutant=pollutant,
                kind=self.kind,
                averaging=self.averaging,
                level=level,
                source=self.source,
                consecutive=self.consecutive,
                inclusive=self.inclusive,
            )
            for pollutant, level in levels.items()
        )


_WM = "Wet milieubeheer, annex 2 (2008/50/EC, annex XII)"
_SMOG = "Smogregeling 2010 (BWBR0027705)"
_NEW = "Directive (EU) 2024/2881, annex I, section 4"
_WHO = "WHO global air quality guidelines, 2021"
_RIVM = "RIVM, rivm.nl/smog, warning levels and air-quality index"

DIRECTIVE_2008 = RuleSet(
    id="2008/50/EC",
    title="Directive 2008/50/EC with the Dutch Smogregeling 2010",
    end=SWITCH,
    thresholds=(
        *_Levels(_WM, "information", "hour").of(o3=180),
        *_Levels(_WM, "alert", "hour").of(o3=240),
        *_Levels(_WM, "alert", "hour", consecutive=3).of(no2=400, so2=500),
        *_Levels(_SMOG, "information", "hour").of(no2=200),
        *_Levels(_SMOG, "information", "day").of(pm10=50),
        *_Levels(_SMOG, "alert", "day").of(pm10=200),
    ),
)
"""Information is the Smogregeling's moderate smog as well, alert its severe smog.

Where it repeats the directive's level for a longer time (ozone 240 during three hours) the directive's hour
comes first, and is the one that is here.
"""

DIRECTIVE_2024 = RuleSet(
    id="2024/2881",
    title="Directive (EU) 2024/2881",
    start=SWITCH,
    thresholds=(
        *_Levels(_NEW, "information", "hour").of(so2=275, no2=150, o3=180),
        *_Levels(_NEW, "information", "day").of(pm2_5=50, pm10=90),
        *_Levels(_NEW, "alert", "hour", consecutive=3).of(so2=350, no2=200),
        *_Levels(_NEW, "alert", "hour").of(o3=240),
        *_Levels(_NEW, "alert", "day", consecutive=3).of(pm2_5=50, pm10=90),
    ),
)
"""Levels from a secondary source (jobonaf/aq-framework-snpa): to be checked against OJ L 2024/2881.

Particulate matter alerts on "three consecutive days or fewer": we take three, for with one the alert would
say no more than the information of the same level. Ozone alerts on its hour; measures (art. 20) ask for
three.
"""

WHO_2021 = RuleSet(
    id="who-2021",
    title="World Health Organization guidelines, 2021",
    thresholds=(
        *_Levels(_WHO, "guideline", "day").of(pm2_5=15, pm10=45, no2=25),
        *_Levels(_WHO, "guideline", "running_8h").of(o3=100),
        *_Levels(_WHO, "guideline", "hour").of(no2=200),
    ),
)
"""Guidelines of health, not of law; the daily ones may be exceeded on three to four days of a year."""

RIVM_PRACTICE = RuleSet(
    id="rivm",
    title="Smog warnings as RIVM gives them",
    thresholds=(
        *_Levels(_RIVM, "information", "hour", inclusive=True).of(o3=180, no2=200),
        *_Levels(_RIVM, "information", "hour", consecutive=3, inclusive=True).of(so2=350),
        *_Levels(_RIVM, "information", "running_24h", inclusive=True).of(pm10=70),
        *_Levels(_RIVM, "alert", "hour", consecutive=3, inclusive=True).of(o3=240, no2=400, so2=500),
        *_Levels(_RIVM, "alert", "running_24h", inclusive=True).of(pm10=100),
    ),
)
"""No dates are published for these. RIVM also warns on forecasts, which we do not have."""

RULE_SETS: tuple[RuleSet, ...] = (DIRECTIVE_2008, DIRECTIVE_2024, WHO_2021, RIVM_PRACTICE)


def rule_set_at(instant: Instant) -> RuleSet:
    """Return the directive that holds at an instant.

    >>> rule_set_at(parse_instant("2026-12-11T23:59:59+01:00")).id
    '2008/50/EC'
    >>> rule_set_at(parse_instant("2026-12-12T00:00:00+01:00")).id
    '2024/2881'
    """
    return DIRECTIVE_2008 if instant < SWITCH else DIRECTIVE_2024
