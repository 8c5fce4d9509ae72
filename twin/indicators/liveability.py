"""The liveability card of a neighbourhood: its domains side by side, each with its score and source.

A score is 100 at the good value of a scale, 0 at the bad one, and linear in between. There is no total: no
published weighting of air against water against traffic was found, and a total would hide the differences
that the card shows. A domain without a value has no score; it is never filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from twin.indicators.indicator import IndicatorValue
from twin.model.bilingual_text import BilingualText
from twin.quality.quality_flags import is_usable

Domain: TypeAlias = Literal["air", "noise", "mobility", "energy", "water", "climate"]


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """The scale by which a domain is scored."""

    indicator: str  #: an indicator, or an observed property
    unit: str  #: UCUM
    good: float  #: the value with score 100; better values have 100, too
    bad: float  #: the value with score 0; worse values have 0, too
    explanation: BilingualText
    source: str

    def score(self, value: float) -> float:
        """Return the score, 0 to 100, of a value in `unit`."""
        share = (value - self.bad) / (self.good - self.bad)
        return 100.0 * min(1.0, max(0.0, share))


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainScore:
    """One line of the card; without a value, score and value are None and `scale` is the domain's first."""

    domain: Domain
    title: BilingualText
    score: float | None  #: 0 to 100
    value: IndicatorValue | None
    scale: ScoreScale


TITLES: Mapping[Domain, BilingualText] = {
    "air": BilingualText("Air", "Lucht"),
    "noise": BilingualText("Noise", "Geluid"),
    "mobility": BilingualText("Mobility", "Mobiliteit"),
    "energy": BilingualText("Energy", "Energie"),
    "water": BilingualText("Water", "Water"),
    "climate": BilingualText("Heat", "Hitte"),
}

SCORE_SCALES: Mapping[Domain, tuple[ScoreScale, ...]] = {
    "air": (
        ScoreScale(
            "lki",
            "1",
            1,
            11,
            BilingualText("100 at class 1, 0 at class 11", "100 bij klasse 1, 0 bij klasse 11"),
            "RIVM report 2014-0050: lowest and highest class",
        ),
        ScoreScale(
            "eaqi",
            "1",
            1,
            6,
            BilingualText("100 at level 1, 0 at level 6", "100 bij niveau 1, 0 bij niveau 6"),
            "European Environment Agency: best and worst level of 2024",
        ),
    ),
    "noise": (
        ScoreScale(
            "noise_level",
            "dB[A]",
            53,
            70,
            BilingualText("100 up to 53 dB(A), 0 from 70 dB(A)", "100 tot 53 dB(A), 0 vanaf 70 dB(A)"),
            "WHO Environmental Noise Guidelines, 2018: 53 dB for road traffic (Lden, of a whole year), 70 dB "
            "for all leisure noise",
        ),
    ),
    "mobility": (
        ScoreScale(
            "speed_ratio",
            "1",
            1.0,
            0.0,
            BilingualText(
                "100 at the free speed, 0 at a standstill", "100 bij vrije snelheid, 0 bij stilstand"
            ),
            "the ratio itself; free flow from 0.75 and congestion below 0.5: no published source found",
        ),
    ),
    "energy": (
        ScoreScale(
            "transformer_load",
            "%",
            80,
            120,
            BilingualText("100 up to 80 % load, 0 from 120 %", "100 tot 80 % belasting, 0 vanaf 120 %"),
            "customary levels of load; no published source found",
        ),
    ),
    "water": (
        ScoreScale(
            "freeboard_share",
            "%",
            100,
            0,
            BilingualText(
                "100 at the target level, 0 at the danger level", "100 op streefpeil, 0 op gevaarpeil"
            ),
            "the levels that the city's model gives the water",
        ),
    ),
    "climate": (
        ScoreScale(
            "air_temperature",
            "Cel",
            25,
            35,
            BilingualText("100 up to 25 °C, 0 from 35 °C", "100 tot 25 °C, 0 vanaf 35 °C"),
            "KNMI: a summer day reaches 25 °C, a tropical day 30 °C; for 35 °C no published source found. "
            "Heat only: cold is not judged",
        ),
    ),
}
"""The scales of each domain; the first one that has a value is used."""


def liveability_card(values: Mapping[str, IndicatorValue]) -> tuple[DomainScore, ...]:
    """Return the card of an area from its values by name of indicator or observed property.

    Every domain has a line, in the order of `TITLES`. A suspect value or one under maintenance has no score.
    """
    return tuple(_line(domain, title, values) for domain, title in TITLES.items())


def _line(domain: Domain, title: BilingualText, values: Mapping[str, IndicatorValue]) -> DomainScore:
    for yardstick in SCORE_SCALES[domain]:
        value = values.get(yardstick.indicator)
        if value is not None and is_usable(value.flags):
            return DomainScore(
                domain=domain,
                title=title,
                score=yardstick.score(value.value),
                value=value,
                scale=yardstick,
            )
    return DomainScore(domain=domain, title=title, score=None, value=None, scale=SCORE_SCALES[domain][0])
