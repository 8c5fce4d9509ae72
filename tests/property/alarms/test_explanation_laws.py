"""The law of explanations: what a sentence states about its numbers is true, in every transition."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cities.alarm_city import LIVE_FOR, alarm_city, high_water_rule, point
from twin.alarms.evaluation.condition_state import REORDER_POINTS_MAX, ConditionState
from twin.alarms.evaluation.explanation import explain
from twin.alarms.evaluation.level_state import SeverityChange
from twin.alarms.rules.operand import Operand, Point
from twin.alarms.rules.rule import Level, NOfM, Rule, ThresholdCondition
from twin.alarms.rules.rule_index import BoundRule, RuleIndex
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE, SECOND
from twin.model.city_model import CityModel

Side = Literal["above", "below"]

NUMBER = r"(-?\d+(?:[.,]\d+)?(?:e-\d+)?)"
SIDES: dict[str, Side] = {
    "at or above": "above",
    "at or below": "below",
    "op of boven": "above",
    "op of onder": "below",
}
VALUE = re.compile(rf"(?:water level is|waterstand is) {NUMBER} m")
STATEMENT = re.compile(
    r"(?P<negated>not yet |nog niet )?"
    r"(?:(?:at least|minstens) (?P<n>\d+) (?:of the last|van de laatste) (?P<of>\d+) (?:values|waarden) )?"
    rf"(?P<side>{'|'.join(SIDES)}) (?P<limit>{NUMBER[1:-1]}) m"
    r"(?: (?:for|gedurende) (?P<delay>[\d a-z]+?)(?=,))?"
)
DELAYS = {"1 min 30 s": 90 * SECOND, "2 min": 2 * MINUTE, "3 min": 3 * MINUTE}


class Statement(NamedTuple):
    """What a sentence says about the value, read from its text alone."""

    side: Side
    limit: float
    is_negated: bool
    n: int  #: of the last `of` values; 0: of the value itself
    of: int
    delay: int

    def holds(self, value: float) -> bool:
        is_beyond = value >= self.limit if self.side == "above" else value <= self.limit
        return is_beyond != self.is_negated


def number(text: str) -> float:
    return float(text.replace(",", "."))


def statements_in(sentence: str) -> list[Statement]:
    return [
        Statement(
            SIDES[found["side"]],
            number(found["limit"]),
            bool(found["negated"]),
            int(found["n"] or 0),
            int(found["of"] or 0),
            DELAYS[found["delay"]] if found["delay"] else 0,
        )
        for found in STATEMENT.finditer(sentence)
    ]


levels_above = st.sampled_from(
    [
        (Level(Severity.MINOR, 0.10, 0.08), Level(Severity.MAJOR, 0.20, 0.18)),
        (Level(Severity.MINOR, 0.10, 0.10), Level(Severity.MAJOR, 0.20, 0.05)),
        (
            Level(Severity.WARNING, 0.05, 0.01),
            Level(Severity.MINOR, 0.10, 0.02),
            Level(Severity.CRITICAL, 0.3, 0.15),
        ),
    ]
)
values = st.sampled_from(
    [
        -0.1,
        0.0,
        0.00999,
        0.01,
        0.03873,
        0.05,
        0.07,
        0.0800001,
        0.08,
        0.0999,
        0.1,
        0.12,
        0.15,
        0.18,
        0.2,
        0.25,
        0.3,
    ]
) | st.integers(-500_000, 500_000).map(lambda micro: micro / 1e6)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    direction: Side = draw(st.sampled_from(["above", "below"]))
    levels = draw(levels_above)
    if direction == "below":
        levels = tuple(Level(one.severity, -one.raised, -one.clear) for one in levels)
    condition = ThresholdCondition(
        operand=Operand("water_level"),
        direction=direction,
        levels=levels,
        times=draw(st.sampled_from([None, NOfM(2, 3), NOfM(3, 5)])),
    )
    return high_water_rule(
        condition=condition,
        on_delay=draw(st.sampled_from([0, 90 * SECOND, 2 * MINUTE])),
        off_delay=draw(st.sampled_from([0, 2 * MINUTE, 3 * MINUTE])),
    )


points_of_half_an_hour = st.lists(values, min_size=1, max_size=REORDER_POINTS_MAX)


def changes_of(bound: BoundRule, points: list[Point]) -> list[SeverityChange]:
    state = ConditionState.initial(bound)
    for received in points:
        state.on_points(0, [received], bound, received.time)
    state.advance(bound, points[-1].time + HOUR)
    return list(state.changes)


def check_sentence(
    sentence: str, change: SeverityChange, bound: BoundRule, points: list[Point]
) -> list[float]:
    """Check what a sentence states; return the numbers in it, as far as they are about the value."""
    quoted = VALUE.search(sentence)
    assert quoted is not None, sentence
    shown, statements = number(quoted[1]), statements_in(sentence)
    known = [one for one in points if one.time <= change.time]
    assert abs(shown - known[-1].value) <= max(1e-3 * abs(known[-1].value), 5e-4), sentence
    for statement in statements:
        if statement.n:
            newest = [one.value for one in known][-statement.of :]
            assert sum(map(statement.holds, newest)) >= statement.n, sentence
            continue
        assert statement.holds(shown), sentence
        throughout = [
            one
            for one, later in zip(known, [*known[1:], None], strict=True)
            if later is None or later.time > change.time - statement.delay
        ]
        if statement.delay:
            assert all(statement.holds(one.value) for one in throughout), sentence
    is_over = "normal again" in sentence or "weer normaal" in sentence
    assert is_over == (change.severity == 0), sentence
    is_eased = "less severe" in sentence or "minder ernstig" in sentence
    assert is_eased == (0 < change.severity < change.before), sentence
    assert statements or (change.severity and bound.level_config.of > 1), f"nothing is stated: {sentence}"
    return [shown, *(one.limit for one in statements)]


@given(rules(), points_of_half_an_hour, st.booleans())
def test_what_a_sentence_states_about_its_numbers_is_true(
    rule: Rule, drawn: list[float], is_negative: bool
) -> None:
    model: CityModel = alarm_city([rule])
    bound = RuleIndex(model).rules_of("canal").rules[rule.id]
    points = [
        point(place * MINUTE, -value if is_negative else value, live=LIVE_FOR)
        for place, value in enumerate(drawn)
    ]
    for change in changes_of(bound, points):
        explanation = explain(change, bound, model)
        english = check_sentence(explanation.sentence_en, change, bound, points)
        dutch = check_sentence(explanation.sentence_nl, change, bound, points)
        assert english == dutch
