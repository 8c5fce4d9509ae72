"""The fast encoder of state events writes the same bytes as the general one."""

from __future__ import annotations

import json
from math import isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from api.live.alarm_events import alarm_data
from api.live.cursor import Cursor, RecordCursors, decode_cursor
from api.live.events import (
    EMPTY_SNAPSHOT,
    constant_parts,
    decode_events,
    encode_event,
    encode_state_event,
    event_head,
    event_heads,
    gap_data,
    heartbeat_data,
    state_data,
)
from api.live.models import GapReason
from tests.support.http.documented_client import documented_answers
from tests.support.payloads.alarm_events import alarm_event, operand_value
from tests.unit.api.conftest import NOW, make_model
from twin.alarms.messages import OperandValue
from twin.instant import INSTANT_MAX, INSTANT_MIN
from twin.model.observation import LastGoodValue
from twin.state.freshness import Freshness
from twin.wire.messages import Update, UpdateKind

MODEL = make_model()


def check(event: bytes) -> None:
    """Fail on an event that is not as the OpenAPI document describes it."""
    (found,) = decode_events(event)
    documented_answers().check_event(found.cursor, found.name, json.loads(found.data))


INSTANTS = st.integers(INSTANT_MIN, INSTANT_MAX)
FRESHNESS: list[Freshness] = ["live", "stale", "silent"]


@given(
    value=st.floats(),
    times=st.tuples(INSTANTS, INSTANTS),
    flags=st.integers(0, 2**11 - 1),
    revision=st.integers(0, 2**53 - 1),
    count=st.integers(-1, 100),
    freshness=st.sampled_from(FRESHNESS),
    last_good=st.none() | st.builds(LastGoodValue, st.floats(), INSTANTS),
)
def test_the_fast_encoder_writes_the_same_event(  # noqa: PLR0917 - drawn, not called
    value: float,
    times: tuple[int, int],
    flags: int,
    revision: int,
    count: int,
    freshness: Freshness,
    last_good: LastGoodValue | None,
) -> None:
    earlier = Update('city."hill"', "area_pm2_5", 0, 0.0, NOW, NOW, 0, (1,), None)
    parts = constant_parts(earlier, MODEL)
    assert parts is not None
    update = structs.replace(
        earlier,
        value=value,
        phenomenon_time=times[0],
        received_time=times[1],
        flags=flags,
        revision=revision,
        count=count,
        last_good=last_good,
    )
    whole = state_data(update, freshness, MODEL)
    assert whole is not None
    event = encode_state_event(event_head("abc"), parts, update, freshness, MODEL)
    assert event == encode_event("state", "abc", whole)
    if isfinite(value) and (last_good is None or isfinite(last_good.value)):
        check(event)
        check(encode_event("snapshot", "abc", state_data(update, freshness, MODEL, last=True) or b""))


@pytest.mark.parametrize("operand", [operand_value(), operand_value(value=nan, threshold=None)])
def test_an_alarm_is_as_described(operand: OperandValue) -> None:
    event = alarm_event(operands=(operand,))
    check(encode_event("alarm", "abc", alarm_data(event, MODEL) or b""))
    check(encode_event("snapshot", "abc", alarm_data(event, MODEL, last=True) or b""))


@pytest.mark.parametrize("reason", list(GapReason))
def test_gaps_and_the_empty_snapshot_are_as_described(reason: GapReason) -> None:
    check(encode_event("gap", "abc", gap_data(reason)))
    check(encode_event("snapshot", "abc", EMPTY_SNAPSHOT))


@pytest.mark.parametrize("known", [NOW, None])
def test_a_heartbeat_is_as_described(known: int | None) -> None:
    check(encode_event("heartbeat", "abc", heartbeat_data(NOW, known, known)))


def test_an_event_that_differs_from_the_document_is_found() -> None:
    with pytest.raises(AssertionError, match="is not valid"):
        check(encode_event("gap", "abc", b'{"reason":"moon","detail":"full"}'))
    with pytest.raises(AssertionError, match="is not valid"):
        check(encode_event("state", "abc", EMPTY_SNAPSHOT))


def test_an_event_of_an_area_says_how_many_entities_are_behind_the_value() -> None:
    update = Update('city."hill"', "area_pm2_5", 1, 11.0, NOW, NOW + 1, 0, (), None, UpdateKind.INDICATOR)
    of_area = structs.replace(update, members=5, members_expected=6, preliminary=True)
    parts = constant_parts(of_area, MODEL)
    assert parts is not None
    event = encode_state_event(event_head("c1"), parts, of_area, "live", MODEL)
    assert b'"members":5,"membersExpected":6,"preliminary":true' in event
    check(event)


def test_an_unknown_name_has_no_event() -> None:
    assert constant_parts(Update("city", "nonsense", 1, 0.0, NOW, NOW, 0, (), None), MODEL) is None


@given(
    log=st.text(max_size=20),
    positions=st.lists(st.tuples(st.integers(0, 2**63), st.integers(0, 2**31)), min_size=1, max_size=5),
    aged=INSTANTS,
    place=st.tuples(st.integers(0, 4), st.integers(0, 2**63)),
    count=st.integers(1, 300) | st.just(70_000),
)
def test_the_events_of_a_record_have_the_cursor_after_each_update(
    log: str, positions: list[tuple[int, int]], aged: int, place: tuple[int, int], count: int
) -> None:
    lane, offset = place[0] % len(positions), place[1]
    before = event_heads(RecordCursors(Cursor(log, tuple(positions), aged), lane, offset, count))
    for number in {0, 1, 254, 255, 256, 65_535, count - 1}:
        if number < count:
            (found,) = decode_events(b"".join((*before(number), b"{}\n\n")))
            positions[lane] = offset, number + 1
            assert decode_cursor(found.cursor) == Cursor(log, tuple(positions), aged)
            assert (found.name, found.data) == ("state", b"{}")
