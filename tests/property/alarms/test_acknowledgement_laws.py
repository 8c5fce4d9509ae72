"""The law of acknowledgements: the state of an alarm and who acknowledged it never contradict each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.alarms.alarm import Alarm, Explanation, StreamTime
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState, Trigger
from twin.instant import HOUR, MINUTE

ACTIONS: dict[str, Callable[[Alarm, StreamTime], object]] = {
    "raise": lambda alarm, time: alarm.raise_(Severity.MINOR, Explanation(), time.context(time.now)),
    "reopen": lambda alarm, time: (
        alarm.reopen(Severity.MINOR, None, time.context(time.now))
        if alarm.occurrence and not alarm.active
        else None
    ),
    "worsen": lambda alarm, time: alarm.change_severity(Severity.MAJOR, None, time.context(time.now)),
    "ease": lambda alarm, time: alarm.change_severity(Severity.MINOR, None, time.context(time.now)),
    "return": lambda alarm, time: alarm.end(None, time.context(time.now)),
    "retract": lambda alarm, time: alarm.retract(time.context(time.now)),
    "acknowledge": lambda alarm, time: alarm.acknowledge(time.context(time.now)._replace(actor="operator")),
    "shelve": lambda alarm, time: alarm.shelve(time.now + HOUR, time.context(time.now)),
    "unshelve": lambda alarm, time: alarm.unshelve(time.context(time.now)),
    "suppress": lambda alarm, time: alarm.suppress("maintenance", time.context(time.now)),
    "unsuppress": lambda alarm, time: alarm.suppress("", time.context(time.now)),
    "remove": lambda alarm, time: alarm.apply_trigger(Trigger.REMOVE, "removed", time.context(time.now)),
    "restore": lambda alarm, time: alarm.apply_trigger(Trigger.RESTORE, "restored", time.context(time.now)),
}


def after(actions: list[str]) -> Alarm:
    alarm = Alarm("high-water~canal", "high-water", "canal")
    for number, action in enumerate(actions, start=1):
        ACTIONS[action](alarm, StreamTime(number * MINUTE, number))
    return alarm


@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=20))
def test_an_alarm_is_acknowledged_exactly_when_somebody_acknowledged_it(actions: list[str]) -> None:
    alarm = after(actions)
    if alarm.state == AlarmState.ACKNOWLEDGED:
        assert alarm.acknowledged_time is not None
        assert alarm.acknowledged_by == "operator"
    if alarm.state == AlarmState.UNACKNOWLEDGED:
        assert alarm.acknowledged_time is None
        assert not alarm.acknowledged_by


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ("raise acknowledge shelve unshelve", "acknowledged"),
        ("raise acknowledge suppress unsuppress", "acknowledged"),
        ("raise acknowledge remove restore", "acknowledged"),
        ("raise acknowledge shelve worsen unshelve", "unacknowledged"),
        ("raise acknowledge shelve return raise unshelve", "unacknowledged"),
        ("raise acknowledge return reopen", "unacknowledged"),
        ("raise shelve unshelve", "unacknowledged"),
    ],
)
def test_an_acknowledgement_outlasts_what_silences_the_alarm(actions: str, state: str) -> None:
    assert after(actions.split()).state == state
