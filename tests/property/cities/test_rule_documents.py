"""A written rule reads back as it was, as a document and as an entry of a city folder."""

from __future__ import annotations

import json
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from cities.rules.document import read_rule, rule_document
from tests.support.cities.alarm_city import alarm_city
from twin.alarms.rules.expression import CompiledExpression
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    Condition,
    Deviation,
    EntitySelection,
    ExpressionCondition,
    Level,
    NOfM,
    OutageCondition,
    QualityRank,
    Rate,
    Rule,
    SilenceCondition,
    ThresholdCondition,
    decode_rule,
    encode_rule,
)
from twin.alarms.rules.schedule import WeeklyInterval, WeeklySchedule
from twin.alarms.severity import Severity
from twin.instant import DAY, INSTANT_MAX, INSTANT_MIN, MINUTE
from twin.model.bilingual_text import BilingualText

TOWN = alarm_city()

severities = st.sampled_from([one for one in Severity if one])
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda one: one + 0.0)
delays = st.integers(0, 31 * DAY)
texts = st.builds(BilingualText, st.text("abc –é:#{}'\"", min_size=1, max_size=9), st.just("Hoog water"))
windows = st.sampled_from(["minute", "ten_minutes", "hour"])
own = st.one_of(
    st.just(Operand("water_level")),
    st.just(Operand("rate_of_rise")),
    st.builds(Operand, st.just("water_level"), windows, st.sampled_from(["value", "minimum", "maximum"])),
)


@st.composite
def levels(draw: st.DrawFn, direction: str) -> tuple[Level, ...]:
    raised = sorted(draw(st.lists(numbers, min_size=1, max_size=4, unique=True)))
    words = sorted(draw(st.lists(severities, min_size=len(raised), max_size=len(raised), unique=True)))
    band = draw(st.lists(st.floats(0, 10), min_size=len(raised), max_size=len(raised)))
    if direction == "below":
        raised = raised[::-1]
    sign = -1 if direction == "above" else 1
    return tuple(
        Level(word, value, value + sign * back) for word, value, back in zip(words, raised, band, strict=True)
    )


@st.composite
def thresholds(draw: st.DrawFn) -> ThresholdCondition:
    times = draw(
        st.one_of(
            st.none(), st.builds(lambda n, more: NOfM(n, n + more), st.integers(1, 9), st.integers(0, 9))
        )
    )
    transform: Any = draw(
        st.one_of(
            st.none(),
            st.builds(Rate, st.integers(MINUTE, DAY), st.integers(MINUTE, DAY)),
            st.builds(Deviation, st.sampled_from(["absolute", "percent", "spread"])),
            st.just(QualityRank()),
        )
    )
    if isinstance(transform, QualityRank):
        rank = draw(st.sampled_from([0.0, 1.0, 2.0]))
        level = Level(draw(severities), rank + 1, rank)
        return ThresholdCondition(
            operand=draw(own), direction="above", levels=(level,), transform=transform, times=times
        )
    directions: list[Literal["above", "below"]] = ["above", "below"]
    direction = draw(st.sampled_from(directions))
    plain = transform is None
    return ThresholdCondition(
        operand=draw(own),
        direction=direction,
        levels=draw(levels(direction)),
        relative_to=draw(st.sampled_from(["", "targetLevel"])) if plain else "",
        share_of=draw(st.sampled_from(["", "targetLevel"])) if plain else "",
        transform=transform,
        times=times,
    )


@st.composite
def expressions(draw: st.DrawFn) -> ExpressionCondition:
    source = draw(
        st.sampled_from(
            ["water_level > 1", "drainsTo.water_level - water_level < 0.2 || abs(rate_of_rise) > 1e-3"]
        )
    )
    over: Any = draw(st.sampled_from([{}, {"water_level": "hour"}]))
    return ExpressionCondition(
        source=source, operands=CompiledExpression(source, over).operands, severity=draw(severities)
    )


conditions: st.SearchStrategy[Condition] = st.one_of(
    thresholds(),
    expressions(),
    st.builds(
        SilenceCondition,
        severity=severities,
        intervals=st.floats(0.1, 1e4),
        after=delays,
        properties=st.sampled_from([(), ("water_level",)]),
    ),
    st.builds(
        OutageCondition,
        supply=st.just("feed"),
        severity=severities,
        reports_missed=st.floats(0.5, 100),
        sensors_min=st.integers(1, 10),
    ),
)
intervals = st.builds(
    lambda days, start, length: WeeklyInterval(tuple(sorted(days)), start, min(1440, start + length)),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
rules = st.builds(
    Rule,
    id=st.just("a-rule"),
    title=texts,
    theme=st.sampled_from(["water", "device", "energy"]),
    condition=conditions,
    select=st.sampled_from(
        [
            EntitySelection(within=("town",)),
            EntitySelection(types=("Polder", "Municipality"), within=("town",)),
            EntitySelection(entities=("polder", "town")),
        ]
    ),
    cause=st.sampled_from(["", "flood"]),
    incident_area=st.sampled_from(["District", "Municipality"]),
    on_delay=delays,
    off_delay=delays,
    quality=st.sampled_from(["good", "any"]),
    latching=st.booleans(),
    start=st.sampled_from([INSTANT_MIN, 0, 1_796_943_600_000_001]),
    end=st.sampled_from([INSTANT_MAX, 1_896_943_600_000_000]),
    schedule=st.one_of(
        st.none(), st.builds(WeeklySchedule, st.lists(intervals, min_size=1, max_size=3).map(tuple))
    ),
    guidance=st.one_of(st.none(), texts),
    enabled=st.booleans(),
)


@given(rules)
def test_a_written_rule_reads_back_as_it_was(rule: Rule) -> None:
    written = json.loads(json.dumps(rule_document(rule, TOWN)))
    assert read_rule(written, TOWN) == rule


@given(rules)
def test_a_stored_rule_reads_back_as_it_was(rule: Rule) -> None:
    assert decode_rule(encode_rule(rule)) == rule


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(rules, st.lists(st.tuples(st.integers(0, 30), anything), min_size=1, max_size=3))
def test_no_document_breaks_the_reader(rule: Rule, changes: list[tuple[int, Any]]) -> None:
    written = rule_document(rule, TOWN)
    for place, value in changes:
        parts = [written, written["when"], written["select"]]
        part = parts[place % 3]
        keys = sorted(part)
        if keys and isinstance(part, dict):
            part[keys[place % len(keys)]] = value
        if not isinstance(written.get("when"), dict) or not isinstance(written.get("select"), dict):
            break
    found = read_rule(written, TOWN)
    assert isinstance(found, Rule) or all(one.message for one in found)
