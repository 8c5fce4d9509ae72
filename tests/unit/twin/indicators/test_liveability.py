"""The liveability card."""

from __future__ import annotations

import dataclasses

import pytest

from twin.indicators.indicator import IndicatorValue
from twin.indicators.liveability import SCORE_SCALES, TITLES, DomainScore, liveability_card
from twin.indicators.registry import REGISTRY
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.quality.quality_flags import QualityFlag


def of(**values: float) -> dict[str, IndicatorValue]:
    return {name: IndicatorValue(value, 0, 0, ()) for name, value in values.items()}


def scores(**values: float) -> dict[str, float | None]:
    return {line.domain: line.score for line in liveability_card(of(**values))}


def test_every_domain_has_a_line_and_without_data_no_score() -> None:
    card = liveability_card({})
    assert [line.domain for line in card] == list(TITLES)
    assert all(line.score is None and line.value is None for line in card)


def test_domains_stand_side_by_side_without_a_total() -> None:
    fields = {field.name for field in dataclasses.fields(DomainScore)}
    assert fields == {"domain", "title", "score", "value", "scale"}


def test_a_good_neighbourhood_scores_100_and_a_bad_one_0() -> None:
    good = scores(
        lki=1, noise_level=50, speed_ratio=1.1, transformer_load=40, freeboard_share=120, air_temperature=18
    )
    bad = scores(
        lki=11, noise_level=80, speed_ratio=0, transformer_load=130, freeboard_share=-5, air_temperature=37
    )
    assert set(good.values()) == {100.0}
    assert set(bad.values()) == {0.0}


@pytest.mark.parametrize(
    ("domain", "values", "score"),
    [
        ("air", {"lki": 6}, 50),
        ("air", {"eaqi": 2}, 80),
        ("air", {"lki": 3, "eaqi": 6}, 80),
        ("noise", {"noise_level": 61.5}, 50),
        ("mobility", {"speed_ratio": 0.75}, 75),
        ("energy", {"transformer_load": 100}, 50),
        ("water", {"freeboard_share": 50}, 50),
        ("climate", {"air_temperature": 30}, 50),
    ],
)
def test_a_score_is_linear_between_good_and_bad(domain: str, values: dict[str, float], score: float) -> None:
    assert scores(**values)[domain] == pytest.approx(score)


def test_a_suspect_value_gives_no_score() -> None:
    suspect = IndicatorValue(3, 0, QualityFlag.SPIKE, ("pm2_5",))
    assert liveability_card({"lki": suspect})[0].score is None


def test_a_line_has_its_value_and_scale() -> None:
    line = liveability_card(of(eaqi=2))[0]
    assert line.value is not None
    assert line.scale.indicator == "eaqi"
    assert line.scale.source.startswith("European Environment Agency")


def test_every_scale_is_of_an_indicator_or_an_observed_property_in_its_unit() -> None:
    units = {name: one.unit for name, one in REGISTRY.items()}
    units |= {name: one.unit for name, one in BUILT_IN_PROPERTIES.items()}
    for scales in SCORE_SCALES.values():
        for scale in scales:
            assert units[scale.indicator] == scale.unit
            assert scale.source
            assert scale.explanation.nl != scale.explanation.en
