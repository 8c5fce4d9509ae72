"""What a reducer leaves out: never a change of quality, never the newest value, never by a cursor."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.live import reduction
from api.live.events import LiveEvent, decode_events, encode_event
from api.live.reduction import FIELDS, Reducer, Reduction


def chunk(
    number: int, value: float | None, quality: str = "good", property: str = "pm2_5", name: Any = "state"
) -> bytes:
    data = {"entityId": "a", "property": property, "value": value, "quality": quality, "freshness": "live"}
    return encode_event(name, f"c{number:03}", json.dumps(data, separators=(",", ":")).encode())


def shown(events: bytes) -> list[tuple[str, float | None]]:
    return [(event.cursor, json.loads(event.data)["value"]) for event in decode_events(events)]


def test_small_changes_are_left_out_until_they_add_up() -> None:
    reducer = Reducer(Reduction(min_change=1.0))
    found = [
        shown(reducer.reduce(chunk(number, value), 0)) for number, value in enumerate((5, 5.9, 6, 5.5, 5))
    ]
    assert found == [[("c000", 5)], [], [("c002", 6)], [], [("c004", 5)]]
    assert shown(reducer.reduce(chunk(5, 5, "suspect"), 0)) == [("c005", 5)]
    assert shown(reducer.reduce(chunk(6, None, "suspect"), 0)) == [("c006", None)]
    assert reducer.next_due_s() is None


def test_the_newest_value_comes_when_the_interval_is_over() -> None:
    reducer = Reducer(Reduction(min_interval_s=10))
    assert shown(reducer.reduce(chunk(0, 1), 100)) == [("c000", 1)]
    assert reducer.reduce(chunk(1, 2) + chunk(2, 3), 101) == b""
    # What else is sent meanwhile has the cursor before what waits.
    assert shown(reducer.reduce(chunk(3, 7, property="no2"), 102)) == [("c001", 7)]
    assert reducer.next_due_s() == 110
    assert reducer.release(109.9) == b""
    assert shown(reducer.release(110)) == [("c003", 3)]
    assert reducer.next_due_s() is None
    assert shown(reducer.reduce(chunk(4, 4), 121)) == [("c004", 4)]


def test_a_change_of_quality_takes_the_place_of_what_waits() -> None:
    reducer = Reducer(Reduction(min_interval_s=10))
    reducer.reduce(chunk(0, 1), 0)
    reducer.reduce(chunk(1, 2), 1)
    assert shown(reducer.reduce(chunk(2, 3, "suspect"), 5)) == [("c002", 3)]
    reducer.reduce(chunk(3, 4, "suspect"), 6)
    assert reducer.release(10) == b""
    assert shown(reducer.release(15)) == [("c003", 4)]


def test_alarms_snapshots_and_gaps_pass() -> None:
    reducer = Reducer(Reduction(min_change=100, min_interval_s=100, fields=frozenset({"value"})))
    alarm = encode_event("alarm", "c0", b'{"alarmId":"x","value":1}')
    for event in (alarm, encode_event("snapshot", "c1", b'{"complete":true}')):
        assert [reducer.reduce(event, 0) for _ in range(2)] == [event, event]
    for number in (1, 2):
        assert reducer.reduce(chunk(number, 1, name="snapshot"), 0)
    reducer.reduce(chunk(3, 500), 0)
    gap = encode_event("gap", "c9", b'{"reason":"too-slow"}')
    assert reducer.reduce(gap, 0) == gap
    assert reducer.release(1_000) == b""


def test_a_full_memory_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduction, "VALUES_MAX", 2)
    reducer = Reducer(Reduction(min_interval_s=10))
    for number, name in enumerate(("a", "b")):
        assert reducer.reduce(chunk(number, 1, property=name), 0)
    assert reducer.reduce(chunk(2, 2, property="a"), 1) == b""
    assert reducer.reduce(chunk(3, 1, property="c"), 1)
    assert shown(reducer.reduce(chunk(4, 1, property="b"), 1)) == [("c001", 1)]
    assert shown(reducer.release(10)) == [("c004", 2)]


def test_only_the_chosen_members_are_sent() -> None:
    reducer = Reducer(Reduction(fields=frozenset({"value", "entityId"})))
    last = b'{"entityId":"a","property":"b","value":-0.470,"complete":true}'
    (event,) = decode_events(reducer.reduce(encode_event("snapshot", "c1", last), 0))
    assert event.data == b'{"entityId":"a","value":-0.470,"complete":true}'
    whole = chunk(1, 5)
    assert Reducer(Reduction(min_change=1, fields=frozenset(FIELDS))).reduce(whole, 0) == whole


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 3),
        st.sampled_from(["good", "late"]),
        st.integers(0, 9),
    ),
    max_size=40,
)


@given(steps=STEPS, stop=st.integers(0, 40))
def test_whoever_resumes_at_any_event_has_the_newest_values_in_the_end(
    steps: list[tuple[str, int, str, int]], stop: int
) -> None:
    chunks = [chunk(number, value, quality, name) for number, (name, value, quality, _) in enumerate(steps)]

    def follow(reducer: Reducer, first: int, end_s: float) -> list[LiveEvent]:
        sent, now_s = [], 0.0
        for number in range(first, len(steps)):
            now_s += steps[number][3]
            sent += decode_events(reducer.release(now_s) + reducer.reduce(chunks[number], now_s))
        return sent + decode_events(reducer.release(now_s + end_s))

    received = follow(Reducer(Reduction(min_interval_s=10)), 0, 0)[:stop]
    resume = int(received[-1].cursor[1:]) + 1 if received else 0
    received += follow(Reducer(Reduction(min_interval_s=10)), resume, 10)
    newest = {name: (value, quality) for name, value, quality, _ in steps}
    held = {}
    for event in received:
        data = json.loads(event.data)
        held[data["property"]] = data["value"], data["quality"]
    assert held == newest
    cursors = [event.cursor for event in received]
    assert cursors == sorted(cursors)
