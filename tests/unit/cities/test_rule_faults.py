"""Every kind of fault in a rule has its place, and all are reported at once, in files and in requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cities.rules.document import RULES_MAX, read_rule
from tests.support.cities.alarm_city import alarm_city
from tests.support.cities.city_folders import RULES, FaultCase, assert_fault, faults_of, write_city_folder
from twin.alarms.rules.rule import Rule
from twin.model.city_model import CityModel
from twin.model.entity import Entity, Relation

CASES: list[FaultCase] = [
    # layout
    ("rules", "rules:", "rule:", 1, "key 'rules' is missing"),
    ("rules", "theme: water", "thema: water", 2, "rules[0] high-water: theme: key is missing"),
    ("rules", "theme: water", "theme: weather", 4, "theme: found 'weather', expected one of"),
    ("rules", "onDelay:", "on_delay:", 11, "on_delay: unknown key (did you mean onDelay?)"),
    ("rules", "PT10M\n    sch", "P40D\n    sch", 11, "onDelay: found 'P40D', expected at most P31D"),
    ("rules", "en: High water, ", "", 3, "title.en: key is missing"),
    (
        "rules",
        "en: High water",
        'en: "High\\r\\nBcc: x"',
        3,
        "title.en: found 'High\\r\\nBcc: x', expected one line",
    ),
    ("rules", "id: bad-air", "id: high-water", 14, "id: id is used twice: first in line 2"),
    ("rules", "id: bad-air", "id: rule-error", 14, "id: found 'rule-error', expected another id"),
    # select
    ("rules", "{types: [Waterway]}", "{}", 5, "select: found nothing, expected at least one of types"),
    ("rules", "[Waterway]", "[Waterways]", 5, "select.types[0]: no entity is a Waterways (did you mean"),
    ("rules", "[delta]}\n    when", "[dleta]}\n    when", 17, "select.within[0]: found 'dleta', expected"),
    (
        "rules",
        "entities: [delta.quay]",
        "relation: {type: drainsTo, target: delta.sea}",
        22,
        "select.relation.target: found 'delta.sea', expected the id of an entity of this city",
    ),
    (
        "rules",
        "entities: [delta.quay]",
        "entities: [delta.quay], types: [Waterway]",
        22,
        "select: no entity of this city is all of this: the rule watches nothing",
    ),
    (
        "rules",
        "within: [delta]",
        "types: [Waterway]",
        17,
        "select: the rule watches nothing: none of delta.canal has pm2_5 (hour)",
    ),
    (
        "rules",
        "over: PT1H",
        "over: PT1M",
        17,
        "pm2_5 (minute) of delta.quay never has a value: its sensors report each",
    ),
    # operands
    ("rules", "value: water_level", "value: water_lvl", 7, "when.value: found 'water_lvl', expected an obs"),
    ("rules", "value: water_level", "value: a.b.water_level", 7, "expected a name with at most one dot"),
    ("rules", "value: water_level", "value: flows.water_level", 7, "found 'flows', expected area, locatedIn"),
    ("rules", "value: water_level", "value: area.water_level", 7, "water_level is not rolled up over areas"),
    ("rules", "over: PT1H", "over: PT15M", 18, "when.over: found 'PT15M', expected the length of a window"),
    ("rules", "value: pm2_5", "value: pm2_5_24h", 18, "pm2_5_24h is derived, not observed, so it has no wi"),
    ("rules", "over: PT1H", "statistic: max", 18, "when.statistic: a single value has no statistic"),
    ("rules", "over: PT1H", "over: PT1H, statistic: sum", 18, "expected min, max or mean: pm2_5 aggregates"),
    ("rules", "unit: cm", "unit: kW", 8, "when.unit: unit 'kW' does not convert into 'm'"),
    (
        "rules",
        "unit: cm",
        "unit: cm\n      relativeTo: soil",
        6,
        "when: attribute soil of delta.canal is None",
    ),
    (
        "rules",
        "unit: cm",
        "unit: cm\n      shareOf: peak",
        9,
        "when.shareOf: no entity has the attribute peak",
    ),
    # levels
    ("rules", "minor: 10", "mnior: 10", 9, "when.above.mnior: unknown key (did you mean minor?)"),
    ("rules", "minor: 10", "minor: ten", 9, "when.above.minor: found 'ten', expected a number"),
    ("rules", "minor: 10", "minor: 20", 9, "when.above.major: found 20, expected more than minor has, 20"),
    ("rules", "above: {minor", "below: {minor", 9, "when.below.major: found 20, expected less than minor"),
    (
        "rules",
        "above: {minor: 10, major: 20}",
        "below: {}",
        9,
        "when.below: found no level, expected at least",
    ),
    ("rules", "deadband: 2", "below: 3", 6, "when: found above and below, expected one of above and below"),
    ("rules", "deadband: 2", "clear: 5", 10, "when.clear: found one number for several levels"),
    ("rules", "deadband: 2", "clear: {minor: 5}", 10, "when.clear.major: major is raised, but not cleared"),
    (
        "rules",
        "deadband: 2",
        "clear: {minor: 5, major: 21}",
        10,
        "when.clear: major: found 21, expected at m",
    ),
    ("rules", "deadband: 2", "deadband: -2", 10, "when.deadband: found -2, expected at least 0"),
    ("rules", "clear: 45", "clear: 45, deadband: 1", 18, "clear and deadband both say when it is over"),
    ("rules", "severity: minor, ", "", 18, "when.above: severity is missing: expected one of warning"),
    ("rules", "clear: 45", "times: 6 of 5", 18, "when.times: found '6 of 5', expected 1 ≤ n ≤ m ≤ 60"),
    ("rules", "clear: 45", "times: often", 18, "when.times: found 'often', expected such as '3 of 5'"),
    # kinds
    ("rules", "when: {value", "when: {valeu", 18, "when: found none of value, rateOf, deviationOf, qualit"),
    ("rules", "when: {value", "when: {silent: {}, value", 18, "found value and silent, expected one of"),
    (
        "rules",
        "when: {value: pm2_5, over: PT1H, above: 50, severity: minor, clear: 45}",
        "when: PT1H",
        18,
        "when: found 'PT1H', expected a m",
    ),
    ("rules", "value: pm2_5", "deviationOf: pm2_5, in: kW", 18, "when.in: unit 'kW' does not convert"),
    ("rules", "value: pm2_5", "rateOf: pm2_5, per: P1M", 18, "when.per: found 'P1M', expected an exact dura"),
    # expressions
    ("rules", "> 25", "> 25 +", 23, "when.expression: column 37: found the end, expected a name"),
    ("rules", "pm2_5 > 25", "pm2 > 25", 23, "when.expression: found 'pm2', expected an observed property"),
    ("rules", "pm2_5 > 25", '"[1,2].all(x, x > 1)"', 23, "YAML syntax"),
    ("rules", "{pm2_5: PT10M}", "{pm25: PT10M}", 23, "the expression does not name pm25 (did you mean"),
    (
        "rules",
        "> 30 &&",
        "&&",
        23,
        "when.expression: column 1: found 'air_temperature', a number stands before '&&'",
    ),
    # times
    ("rules", '"22:00"', '"25:00"', 13, "schedule[0].from: found '25:00', expected a local time of day"),
    ("rules", '"22:00"', '"06:00"', 13, "schedule[0]: found 06:00 until 06:00, expected a time that lasts"),
    ("rules", "[sat, sun]", "[zat, sun]", 13, "schedule[0].days[0]: found 'zat', expected one of"),
    ("rules", "onDelay: PT10M", "end: 0001-01-01", 11, "end: found '0001-01-01', expected an ISO 8601 time"),
    (
        "rules",
        "onDelay: PT10M",
        "start: 2026-12-12T00:00Z\n    end: 2026-12-11T00:00Z",
        12,
        "end: expected a time after start",
    ),
    ("rules", "onDelay: PT10M", "incidentArea: Distrikt", 11, "incidentArea: no entity is a Distrikt"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[4][:40])
def test_a_fault_has_its_place(case: FaultCase, tmp_path: Path) -> None:
    assert_fault(tmp_path, case)


def test_all_faults_of_all_rules_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        RULES.replace("unit: cm", "unit: kW")
        .replace("minor: 10", "mnior: 10")
        .replace("theme: water", "thema: water")
        .replace("value: pm2_5", "value: pm2")
        .replace("> 25", "> 25 +")
    )
    lines = [fault.line for fault in faults_of(write_city_folder(tmp_path, rules=text))]
    assert lines == [2, 4, 8, 9, 18, 23]


def test_faults_of_other_files_are_not_reported_for_rules(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path, sensors="sensors: [\n")
    assert {Path(fault.file).name for fault in faults_of(folder)} == {"sensors.yaml"}


def test_the_number_of_rules_is_bounded(tmp_path: Path) -> None:
    one = "  - {id: r%d, title: {en: a, nl: b}, theme: water, select: {types: [Waterway]}, when: {%s}}\n"
    when = "value: water_level, above: 1, severity: minor"
    text = "rules:\n" + "".join(one % (number, when) for number in range(RULES_MAX + 1))
    assert [fault.message for fault in faults_of(write_city_folder(tmp_path, rules=text))] == [
        "found 1001 rules, expected at most 1000"
    ]


def document(**changes: Any) -> dict[str, Any]:
    """Return a rule of the town as a request has it."""
    return {
        "id": "flood",
        "title": {"en": "Flood", "nl": "Overstroming"},
        "theme": "water",
        "select": {"types": ["Polder"]},
        "when": {"expression": "drainsTo.water_level > water_level", "severity": "minor"},
        **changes,
    }


def circular_town() -> CityModel:
    """Return a town with a ditch and a brook that drain into each other, and a polder above them."""

    def waterway(id: str, downstream: str) -> Entity:
        return Entity(id=id, type="Waterway", name=id, relations=(Relation("drainsTo", downstream),))

    return alarm_city(
        entities=[waterway("ditch", "brook"), waterway("brook", "canal"), waterway("canal", "ditch")]
    )


def test_a_relation_that_leads_back_is_refused() -> None:
    found = read_rule(document(), circular_town())
    assert not isinstance(found, Rule)
    assert [(one.pointer, one.message) for one in found] == [
        (
            "/when",
            "circular relation: drainsTo leads back to where it began: canal > ditch > brook > canal",
        )
    ]
    assert isinstance(read_rule(document(), alarm_city()), Rule)


@pytest.mark.parametrize(
    "source",
    [
        "[1, 2].all(x, x > water_level)",
        "water_level" + " + water_level" * 100 + " > 1",
        "(" * 30 + "water_level > 1" + ")" * 30,
        "water_level.map(x, x)",
        "size(water_level) > 1",
    ],
)
def test_an_expression_that_might_not_end_or_grows_is_refused(source: str) -> None:
    found = read_rule(document(when={"expression": source, "severity": "minor"}), alarm_city())
    assert not isinstance(found, Rule)
    assert {one.pointer for one in found} == {"/when/expression"}


def test_faults_of_a_request_have_json_pointers_and_are_reported_at_once() -> None:
    found = read_rule(
        document(
            title={"en": "Flood"},
            select={"entities": ["nowhere"]},
            when={
                "value": "water_level",
                "above": {"minor": 3, "major": 2},
                "unit": "kW",
                "over": "PT15M",
                "times": "6 of 5",
            },
        ),
        alarm_city(),
    )
    assert not isinstance(found, Rule)
    assert sorted(one.pointer for one in found) == [
        "/select/entities/0",
        "/title/nl",
        "/when/above/major",
        "/when/over",
        "/when/times",
        "/when/unit",
    ]


def test_a_wrong_severity_does_not_hide_the_faults_of_an_expression() -> None:
    found = read_rule(
        document(when={"expression": "water_lvl > 1", "severity": "bad", "over": "PT15M"}), alarm_city()
    )
    assert not isinstance(found, Rule)
    assert sorted(fault.pointer for fault in found) == ["/when/expression", "/when/over", "/when/severity"]


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("High water\r\nBcc: all@example.org", "U+000D"),
        ("High\nwater", "U+000A"),
        ("High\x1b[2Jwater", "U+001B"),
        ("High\x9bwater", "U+009B"),
        ("High\u2028water", "U+2028"),
        ("High \u202eretaw", "U+202E"),
        ("High \uffff", "U+FFFF"),
    ],
)
def test_a_title_has_one_line_and_no_control_character(title: str, found: str) -> None:
    faults = read_rule(document(title={"en": title, "nl": "Hoog water"}), alarm_city())
    assert not isinstance(faults, Rule)
    assert [(one.pointer, one.message) for one in faults] == [
        ("/title/en", f"found {title!r}, expected one line without control characters, not {found}")
    ]


def test_guidance_may_have_several_lines_and_a_title_every_script() -> None:
    rule = read_rule(
        document(
            title={"en": "Überflutung – 水位 \u200d\u00a0\U0001f30a", "nl": "Hoog water"},
            guidance={"en": "1. Call\n\t2. Close\r\n", "nl": "Bel"},
        ),
        alarm_city(),
    )
    assert isinstance(rule, Rule), rule
    assert rule.guidance is not None
    assert rule.guidance.en == "1. Call\n\t2. Close\r\n"
    assert not isinstance(read_rule(document(guidance={"en": "\x1b[2J", "nl": "Bel"}), alarm_city()), Rule)


@pytest.mark.parametrize("document", [None, [], "rule", 3, {}])
def test_a_document_that_is_no_rule_is_refused(document: Any) -> None:
    assert not isinstance(read_rule(document, alarm_city()), Rule)


def test_a_rule_out_of_service_may_watch_nothing() -> None:
    idle = document(when={"outage": "gateway", "severity": "major"})
    assert not isinstance(read_rule(idle, alarm_city()), Rule)
    assert isinstance(read_rule({**idle, "enabled": False}, alarm_city()), Rule)
