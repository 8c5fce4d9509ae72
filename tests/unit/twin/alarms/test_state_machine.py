"""The states of ISA-18.2: every pair of state and trigger leads to a state of the standard, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.alarms.state_machine import NORMAL, AlarmState, AlarmStatus, TransitionRefused, Trigger, next_status

ACTIVE = {AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED}
ASIDE = {AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE}


def is_legal(standing: AlarmStatus) -> bool:
    """Whether a state and an active condition go together."""
    return standing.state in ASIDE or (standing.state in ACTIVE) == standing.active


def walked(triggers: list[Trigger], *, latching: bool = False) -> list[AlarmStatus]:
    found = [NORMAL]
    for trigger in triggers:
        after = next_status(found[-1], trigger, latching=latching)
        if isinstance(after, AlarmStatus):
            found.append(after)
    return found


@given(st.lists(st.sampled_from(Trigger), max_size=30), st.booleans())
def test_no_sequence_of_triggers_leads_to_an_illegal_state(triggers: list[Trigger], latching: bool) -> None:
    assert all(is_legal(one) for one in walked(triggers, latching=latching))


@pytest.mark.parametrize("state", AlarmState)
@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("latching", [True, False])
def test_every_trigger_is_applied_or_refused_in_every_legal_state(
    state: AlarmState, active: bool, trigger: Trigger, latching: bool
) -> None:
    standing = AlarmStatus(state, active)
    if is_legal(standing):
        after = next_status(standing, trigger, latching=latching)
        assert after.reason if isinstance(after, TransitionRefused) else is_legal(after)


@given(st.lists(st.sampled_from(Trigger), max_size=30))
def test_only_returned_unacknowledged_or_latched_alarms_wait_for_a_person(triggers: list[Trigger]) -> None:
    for standing in walked(triggers):
        if standing.state is AlarmState.RETURNED_UNACKNOWLEDGED:
            assert next_status(standing, Trigger.ACKNOWLEDGE) == NORMAL


@pytest.mark.parametrize(
    ("triggers", "state"),
    [
        ("raise acknowledge return", "normal"),
        ("raise return", "returned-unacknowledged"),
        ("raise return acknowledge", "normal"),
        ("raise return raise", "unacknowledged"),
        ("raise acknowledge worsen", "unacknowledged"),
        ("raise acknowledge ease", "acknowledged"),
        ("raise shelve return unshelve", "normal"),
        ("raise shelve unshelve", "unacknowledged"),
        ("suppress raise", "suppressed-by-design"),
        ("suppress raise unsuppress", "unacknowledged"),
        ("remove raise", "out-of-service"),
        ("remove raise return restore", "normal"),
        ("raise retract", "normal"),
        ("raise return retract", "normal"),
    ],
)
def test_an_alarm_follows_the_states_of_the_standard(triggers: str, state: str) -> None:
    assert walked([Trigger(one) for one in triggers.split()])[-1].state == state


def test_a_latching_alarm_stays_until_it_is_reset() -> None:
    path = [Trigger.RAISE, Trigger.ACKNOWLEDGE, Trigger.RETURN]
    assert walked(path, latching=True)[-1].state is AlarmState.LATCHED_ACKNOWLEDGED
    assert walked([*path, Trigger.RESET], latching=True)[-1] == NORMAL


@pytest.mark.parametrize("trigger", [Trigger.ACKNOWLEDGE, Trigger.SHELVE, Trigger.RESET, Trigger.UNSHELVE])
def test_a_normal_alarm_refuses_triggers_with_a_reason(trigger: Trigger) -> None:
    found = next_status(NORMAL, trigger)
    assert isinstance(found, TransitionRefused)
    assert found.reason == f"{trigger} is not possible while the alarm is normal"
