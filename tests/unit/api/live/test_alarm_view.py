"""The view of alarms: the newest event of each in any order, and the incident of an alarm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from api.live import alarm_view
from api.live.alarm_view import AlarmView
from tests.support.payloads.alarm_events import (
    acknowledged_event,
    alarm_event,
    incident_event,
    returned_event,
)
from twin.instant import MINUTE

RAISED = alarm_event()
KNOWN = acknowledged_event(RAISED)
OVER = returned_event(KNOWN)


@given(st.permutations([RAISED, KNOWN, OVER, RAISED, KNOWN]))
def test_any_order_ends_in_the_newest_event_and_none_is_new_twice(events: list[object]) -> None:
    view = AlarmView()
    news = [event.revision for event in events if view.apply(event)]  # type: ignore[arg-type,attr-defined]
    assert news == sorted(set(news))
    assert view.alarm(RAISED.alarm) == OVER
    assert list(view.standing()) == []
    assert list(view.alarms()) == [OVER]


def test_merging_stored_state_returns_only_new_alarms() -> None:
    view = AlarmView()
    view.apply(KNOWN)
    other = alarm_event("low-water")
    assert view.merge([RAISED, other], [incident_event(RAISED)]) == [other]
    assert view.alarm(RAISED.alarm) == KNOWN
    assert view.incident_of(RAISED.alarm) == "high-water~city~1"
    view.reset([other], [])
    assert list(view.alarms()) == [other]
    assert view.incident_of(RAISED.alarm) is None


def test_an_alarm_belongs_to_its_latest_incident() -> None:
    view = AlarmView()
    later = replace(RAISED, raised_time=RAISED.time + 60 * MINUTE)
    first, second = incident_event(OVER, number=1), incident_event(later, number=2)
    for order in ([first, second], [second, first]):
        view.reset([], [])
        for incident in order:
            assert view.apply_incident(incident)
            assert not view.apply_incident(incident)
        assert view.incident_of(RAISED.alarm) == second.incident
        assert view.open_incidents() == [second]
        assert view.incident(first.incident) == first


def test_the_number_of_closed_incidents_is_bounded() -> None:
    view = AlarmView()
    bound = alarm_view.CLOSED_INCIDENTS_MAX
    for number in range(bound + 3):
        event = replace(OVER, alarm=f"high-water~e{number}", raised_time=RAISED.time + number)
        view.apply_incident(incident_event(event, number=number))
    assert view.incident("high-water~city~2") is None
    assert view.incident_of("high-water~e2") is None
    assert view.incident("high-water~city~3") is not None
    # One that is opened again is not closed any more.
    again = incident_event(RAISED, number=3, revision=2)
    view.apply_incident(again)
    for number in range(bound + 3, 2 * bound + 6):
        view.apply_incident(incident_event(OVER, number=number))
    assert view.open_incidents() == [again]
