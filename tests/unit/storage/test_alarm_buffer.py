"""The alarm buffer keeps every event once, knows the newest, and refuses values outside the limits."""

from __future__ import annotations

from math import nan

import pytest
from msgspec.structs import replace

from runtime.kafka import topics
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.revisions import newest_revisions
from storage.stores.alarm_rows import alarm_columns, alarm_from_row
from tests.support.payloads.alarm_events import (
    acknowledged_event,
    alarm_event,
    alarm_record,
    incident_event,
    notification_event,
    operand_value,
)
from twin.alarms.messages import AlarmEvent
from twin.wire.duty_messages import NOTIFICATIONS

RAISED = alarm_event()


def batch_of(*records: tuple[str, bytes]) -> LogBatch:
    batch = LogBatch("log")
    for offset, (topic, value) in enumerate(records):
        batch.add(LogRecord(topic, 0, offset, 1_700_000_000_000, value))
    return batch


def test_every_event_is_kept_once_and_the_greatest_revision_is_the_newest() -> None:
    known = acknowledged_event(RAISED)
    record = alarm_record(known, RAISED, incidents=(incident_event(RAISED),))
    batch = batch_of((topics.ALARMS, record), (topics.ALARMS, record))
    assert list(batch.alarm_buffer.alarms.values()) == [known, RAISED]
    assert newest_revisions(batch.alarm_buffer.alarms.items()) == [known]
    assert batch.alarm_buffer.alarm_count == batch.rows == 3
    assert batch.next_offsets == {(topics.ALARMS, 0): 2}


@pytest.mark.parametrize(
    "impossible",
    [
        replace(RAISED, told_time=2**62),
        replace(RAISED, occurrence=2**31),
        replace(RAISED, revision=-1),
        replace(RAISED, alarm="a\0b"),
        replace(RAISED, alarm="a" * 4_000),
        replace(RAISED, operands=(operand_value(value=nan),)),
        replace(RAISED, operands=(operand_value(unit="\0"),)),
    ],
)
def test_an_event_outside_the_column_limits_is_quarantined_and_the_others_stay(
    impossible: AlarmEvent,
) -> None:
    other = alarm_event("low-water")
    batch = batch_of((topics.ALARMS, alarm_record(impossible, other)))
    assert list(batch.alarm_buffer.alarms.values()) == [other]
    (message,) = batch.quarantined.values()
    assert message.topic == "log:alarms/0"
    assert "1 of 2 events" in message.detail


def test_an_unreadable_record_is_quarantined_and_skipped() -> None:
    event = notification_event()
    batch = batch_of(
        (topics.ALARMS, b"\xc1"),
        (topics.NOTIFICATIONS, b"\xc1"),
        (topics.NOTIFICATIONS, NOTIFICATIONS.encode(replace(event, attempt=2**31))),
        (topics.NOTIFICATIONS, NOTIFICATIONS.encode(event)),
    )
    assert list(batch.alarm_buffer.notifications.values()) == [event]
    assert len(batch.quarantined) == batch.unreadable_count == 3


def test_nul_in_a_text_is_replaced() -> None:
    row = alarm_columns(replace(RAISED, text="no\0 comment"))
    assert row["text"] == "no\N{SYMBOL FOR NULL} comment"
    assert row["alarm_id"] == RAISED.alarm
    assert row["time"].isoformat() == "2026-11-23T12:00:00+00:00"


def test_a_row_is_read_as_the_event_that_was_stored() -> None:
    columns = list(alarm_columns(RAISED).values())
    columns[27] = (
        '[["water_level","instant","value","city.canal",-0.25,"m",0,1795435200000000,0,[[4,1795435200000000]],-0.3]]'
    )
    assert alarm_from_row(columns) == RAISED
