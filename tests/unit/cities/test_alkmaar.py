"""The city that LiveTwin contains: complete, rooted, drawn without crossing lines, on many feeds."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import pytest

from cities import default_city
from cities.files.schema import FEEDS
from cities.folder_reader import read_city
from twin.alarms.rules.rule import (
    Deviation,
    ExpressionCondition,
    OutageCondition,
    QualityRank,
    SilenceCondition,
    ThresholdCondition,
)
from twin.alarms.rules.rule_index import RuleIndex
from twin.instant import DAY, INSTANT_MAX, INSTANT_MIN, MINUTE, SECOND, parse_instant
from twin.model.city_model import CityPlan


@pytest.fixture(scope="module")
def alkmaar() -> CityPlan:
    return read_city(default_city())


def test_alkmaar_has_many_sensors_on_many_feeds(alkmaar: CityPlan) -> None:
    sensors = Counter(one.feed for one in alkmaar.sensors)
    assert sensors.total() >= 150
    assert sensors.keys() == set(FEEDS)


def test_everything_lies_in_the_municipality(alkmaar: CityPlan) -> None:
    parents = {one.id: one.parent for one in alkmaar.entities}
    assert [name for name, parent in parents.items() if parent is None] == ["alkmaar"]
    for name in parents:
        above = name
        while (parent := parents[above]) is not None:
            above = parent
        assert above == "alkmaar"


def test_the_examples_of_the_contract_exist(alkmaar: CityPlan) -> None:
    overdie = next(one for one in alkmaar.entities if one.id == "alkmaar.overdie")
    assert (overdie.type, overdie.parent) == ("Neighbourhood", "alkmaar.oost")
    assert ("drainsTo", "alkmaar.schermerboezem") in {(one.type, one.target) for one in overdie.relations}
    sensor = next(one for one in alkmaar.sensors if one.id == "aq-overdie-1")
    assert (sensor.feed, sensor.device, sensor.interval) == ("ttn", "eui-a81758fffe0512ab", 10 * MINUTE)


def test_each_transformer_area_but_one_has_enough_households_for_a_sum(
    alkmaar: CityPlan,
) -> None:
    areas = {one.id: one for one in alkmaar.entities if one.type == "TransformerArea"}
    meters = Counter(one.entity for one in alkmaar.sensors if one.personal)
    few = "alkmaar.transformer-stompetoren"
    assert meters == {**dict.fromkeys(areas, 20), few: 7}
    assert len(areas) == 6
    assert all(one.attributes["ratedPower"]["kVA"] > 0 for one in areas.values())


def test_the_power_and_the_voltages_of_each_transformer_are_observed_and_not_personal(
    alkmaar: CityPlan,
) -> None:
    sensors = {one.id: one for one in alkmaar.sensors}
    for area in (one.id for one in alkmaar.entities if one.type == "TransformerArea"):
        for name in ("transformer_power", "voltage_l1", "voltage_l2", "voltage_l3"):
            observed = [one for one in alkmaar.datastreams if (one.entity, one.property) == (area, name)]
            assert [sensors[one.sensor].personal for one in observed] == [False], (area, name)


def test_the_city_sends_a_moderate_rate_of_messages(alkmaar: CityPlan) -> None:
    assert 3 < sum(SECOND / one.interval for one in alkmaar.sensors) < 7


def test_readings_of_households_are_kept_for_days(alkmaar: CityPlan) -> None:
    personal = {one.id for one in alkmaar.sensors if one.personal}
    observed = {one.property for one in alkmaar.datastreams if one.sensor in personal}
    kept = {one.name: one.retention for one in alkmaar.properties}
    assert observed
    assert all(kept[name].raw <= 7 * DAY and kept[name].minute <= 14 * DAY for name in observed)


def test_every_outline_is_a_simple_ring(alkmaar: CityPlan) -> None:
    for entity in alkmaar.entities:
        if entity.geometry is not None and entity.geometry["type"] == "Polygon":
            for ring in entity.geometry["coordinates"]:
                assert len(set(map(tuple, ring))) == len(ring) - 1, entity.id
                assert not crossings(ring), entity.id


def test_neighbourhoods_do_not_overlap(alkmaar: CityPlan) -> None:
    rings = {
        entity.id: entity.geometry["coordinates"][0]
        for entity in alkmaar.entities
        if entity.type == "Neighbourhood" and entity.geometry is not None
    }
    for (left, left_ring), (right, right_ring) in combinations(rings.items(), 2):
        for point in left_ring:
            assert point in right_ring or not inside(point, right_ring), (left, right)


def test_entities_have_the_attributes_that_rules_and_simulators_need(alkmaar: CityPlan) -> None:
    needed = {
        "Waterway": {"targetLevel", "alertLevel", "dangerLevel", "freeboardMin"},
        "Polder": {"targetLevel", "alertLevel", "dangerLevel", "freeboardMin"},
        "Road": {"speedLimit", "freeFlowSpeed", "lanes", "capacity"},
        "TransformerArea": {"connections", "ratedPower"},
        "Neighbourhood": {"connections"},
    }
    for entity in alkmaar.entities:
        assert needed.get(entity.type, set()) <= entity.attributes.keys(), entity.id


def test_each_lorawan_device_has_a_gateway_of_the_city(alkmaar: CityPlan) -> None:
    gateways = Counter(one.gateway for one in alkmaar.sensors if one.feed in ("ttn", "chirpstack"))
    assert gateways.keys() == {one.id for one in alkmaar.entities if one.type == "Gateway"}
    assert min(gateways.values()) >= 10


def test_every_rule_can_be_evaluated_and_has_guidance(alkmaar: CityPlan) -> None:
    model = alkmaar.model(1)
    bindings = RuleIndex(model)
    bound = [one for id in model.entities for one in bindings.rules_of(id).rules.values()]
    assert [(one.rule.id, one.fault) for one in bound if one.fault] == []
    assert {one.rule.id for one in bound} == model.rules.keys()
    assert [one.id for one in alkmaar.rules if one.guidance is None] == []


def test_the_rules_are_of_every_theme_and_kind(alkmaar: CityPlan) -> None:
    themes = {one.theme for one in alkmaar.rules}
    assert themes == {"environment", "mobility", "energy", "water", "climate", "device"}
    kinds = {type(one.condition) for one in alkmaar.rules}
    transforms = {type(getattr(one.condition, "transform", None)) for one in alkmaar.rules}
    assert kinds == {ThresholdCondition, ExpressionCondition, SilenceCondition, OutageCondition}
    assert {Deviation, QualityRank} < transforms
    assert {one.condition.supply for one in alkmaar.rules if isinstance(one.condition, OutageCondition)} == {
        "gateway",
        "power",
        "feed",
    }


def test_the_new_air_directive_replaces_the_old_one_at_a_local_midnight(alkmaar: CityPlan) -> None:
    old = [one for one in alkmaar.rules if one.id.endswith("-2008")]
    new = [one for one in alkmaar.rules if one.id.endswith("-2024")]
    assert (len(old), len(new)) == (3, 6)
    midnight = parse_instant("2026-12-12T00:00:00+01:00")
    assert {(one.start, one.end) for one in old} == {(INSTANT_MIN, midnight)}
    assert {(one.start, one.end) for one in new} == {(midnight, INSTANT_MAX)}


Point = list[float]


def turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def crossings(ring: list[Point]) -> list[tuple[int, int]]:
    edges = list(pairwise(ring))
    return [
        (i, j)
        for (i, (a, b)), (j, (c, d)) in combinations(enumerate(edges), 2)
        if not {tuple(a), tuple(b)} & {tuple(c), tuple(d)}
        and turn(a, b, c) * turn(a, b, d) <= 0
        and turn(c, d, a) * turn(c, d, b) <= 0
    ]


def inside(point: Point, ring: list[Point]) -> bool:
    x, y = point
    return (
        sum(
            (a[1] > y) != (b[1] > y) and x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]
            for a, b in pairwise(ring)
        )
        % 2
        == 1
    )
