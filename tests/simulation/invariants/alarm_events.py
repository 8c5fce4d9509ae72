"""Invariants of single alarm events: what they say about themselves is true."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.simulation.invariants.observations import CheckedObservations, FinalState
from twin.alarms.messages import AlarmEvent
from twin.alarms.rules.rule import QualityRank, ThresholdCondition

_NUMBER = r"-?\d+(?:[.,]\d+)?(?:e-\d+)?"
_SHOWN = re.compile(rf"(?: is | by |verandert met | is: )({_NUMBER})")
_STATEMENT = re.compile(
    r"(?P<negated>not yet )?(?P<several>at least \d+ of the last \d+ values )?"
    rf"at or (?P<side>above|below) (?P<limit>{_NUMBER})"
)

#: a retraction repeats what was said about the occurrence
_TOLD = frozenset({"raised", "worsened", "eased", "returned"})


def sentences_are_true(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """A sentence that compares a number with a limit is right about it."""
    for event in ending.database.alarm_events.values():
        condition = ending.model.rules[event.rule].condition
        if event.kind not in _TOLD or not isinstance(condition, ThresholdCondition):
            continue
        if isinstance(condition.transform, QualityRank):
            continue
        shown = _SHOWN.search(event.sentence_en)
        if shown is None:
            yield f"no number in: {event.sentence_en}"
        elif not _is_true(event.sentence_en, float(shown[1])):
            yield f"false: {event.kind}: {event.sentence_en}"


def _is_true(sentence: str, value: float) -> bool:
    return all(
        (value >= float(found["limit"]) if found["side"] == "above" else value <= float(found["limit"]))
        != bool(found["negated"])
        for found in _STATEMENT.finditer(sentence)
        if not found["several"]  # the last value alone need not be beyond the limit
    )


def acknowledgement_agrees_with_state(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """An alarm that waits for nobody has been acknowledged, and one that waits for somebody has not."""
    for event in ending.database.alarm_events.values():
        if event.state in _ACKNOWLEDGED and event.acknowledged_time is None:
            yield f"acknowledged without a time: {_brief(event)}"
        elif event.state in _UNACKNOWLEDGED and event.acknowledged_time is not None:
            yield f"unacknowledged, and acknowledged at {event.acknowledged_time}: {_brief(event)}"


_ACKNOWLEDGED = frozenset({"acknowledged"})
_UNACKNOWLEDGED = frozenset({"unacknowledged", "returned-unacknowledged"})


def _brief(event: AlarmEvent) -> str:
    return f"{event.alarm} {event.kind}, {event.state}, occurrence {event.occurrence}"
