"""A batch keeps the newest of replaced rows, and quarantines unreadable records."""

from __future__ import annotations

from math import nan

from msgspec.structs import replace

from runtime.kafka import topics
from storage.historian.log_batch import LogBatch, LogRecord
from storage.stores.log_positions import UPDATE_PROGRESS
from tests.support.database.historian import quarantined_message, record_with_headers
from tests.support.payloads.observation_records import encode_observations
from twin.instant import DAY, HOUR, INSTANT_MIN, MINUTE
from twin.model.observation import LastGoodValue, Observation
from twin.quality.plausibility import QuarantineReason
from twin.state.window import Aggregate
from twin.wire import messages
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AggregateBatch,
    Assessment,
    ObservationBatch,
    SeriesRepair,
    Update,
    UpdateBatch,
    UpdateKind,
    WindowRepair,
)

ONE = Observation(1, 1_000, 2_000, 3.5)


def record(topic: str, offset: int, value: bytes) -> LogRecord:
    return LogRecord(topic, 0, offset, 1_700_000_000_000, value)


def batch_of(topic: str, *values: bytes) -> LogBatch:
    batch = LogBatch("log")
    for offset, value in enumerate(values):
        batch.add(record(topic, offset, value))
    return batch


def update(revision: int, observation: Observation | None, property: str = "pm10") -> Update:
    return Update("a", property, revision, 7.0, 10, 12, 0, (7,), observation)


def states_of(batch: LogBatch) -> dict[int, tuple[int, Observation | None]]:
    return {id: (one.revision, one.observation) for id, one in batch.update_buffer.states.items()}


def updates(*items: Update) -> bytes:
    return messages.UPDATES.encode(UpdateBatch(LAYOUT_VERSION, items))


def aggregate(revision: int, size: int = MINUTE) -> Aggregate:
    return Aggregate(7, size, 0, revision, 1, 0, 1.0, 0, 1.0, 1.0, 1.0, None, 1.0, 1.0, b"")


def derived(
    time: int,
    offset: int,
    aggregates: tuple[Aggregate, ...] = (),
    assessments: tuple[Assessment, ...] = (),
    repairs: tuple[WindowRepair, ...] = (),
) -> bytes:
    return messages.AGGREGATES.encode(
        AggregateBatch(LAYOUT_VERSION, time, offset, aggregates, assessments, repairs)
    )


def test_of_updates_the_newest_revision_and_state_are_kept() -> None:
    # A state that is assessed again keeps its times.
    before, after = Observation(7, 20, 21, 2.0, 16), Observation(7, 20, 21, 2.0, 0)
    batch = batch_of(
        topics.UPDATES, updates(update(3, after)), updates(update(1, before), update(4, None, "no2"))
    )
    assert {key: one.revision for key, one in batch.update_buffer.updates.items()} == {
        ("a", "pm10"): 3,
        ("a", "no2"): 4,
    }
    assert states_of(batch) == {7: (3, after)}


def test_derived_values_are_kept_as_a_series_and_households_only_as_states() -> None:
    derived_values = [
        replace(update(revision, None, "eaqi"), kind=UpdateKind.INDICATOR, phenomenon_time=time)
        for revision, time in ((1, 100), (2, 200), (3, 200))
    ]
    personal = replace(update(9, ONE, "power_import"), kind=UpdateKind.PERSONAL)
    batch = batch_of(topics.UPDATES, updates(*derived_values, personal))
    assert {key: one.revision for key, one in batch.update_buffer.entity_values.items()} == {
        ("a", "eaqi", 100): 1,
        ("a", "eaqi", 200): 3,
    }
    assert batch.update_buffer.updates.keys() == {("a", "eaqi")}
    assert states_of(batch) == {1: (9, ONE)}


def test_an_amendment_changes_the_series_and_not_the_state() -> None:
    newest = replace(update(4, None, "lki"), kind=UpdateKind.INDICATOR, phenomenon_time=200)
    amended = replace(newest, revision=5, kind=UpdateKind.AMENDMENT, phenomenon_time=100, value=3.0)
    withdrawn = replace(amended, revision=6, value=nan)
    buffer = batch_of(topics.UPDATES, updates(newest), updates(amended, withdrawn)).update_buffer
    assert {key: one.revision for key, one in buffer.updates.items()} == {("a", "lki"): 4}
    assert {key[2]: one.revision for key, one in buffer.entity_values.items()} == {100: 6, 200: 4}
    assert buffer.amended == {("a", "lki"): 6}


def test_series_repairs_are_requested_by_the_day_with_the_last_offset() -> None:
    records = [
        messages.UPDATES.encode(UpdateBatch(LAYOUT_VERSION, (), (SeriesRepair("a", "lki", *span),), offset))
        for offset, span in ((7, (DAY - 1, DAY + 1)), (9, (DAY, DAY + 5)))
    ]
    refused = UpdateBatch(
        LAYOUT_VERSION, (), (SeriesRepair("a\0", "lki", 0, 1), SeriesRepair("a", "lki", 1, 1))
    )
    batch = batch_of(topics.UPDATES, *records, messages.UPDATES.encode(refused))
    buffer = batch.update_buffer
    assert {key[2]: one.offset for key, one in buffer.series_repairs.items()} == {0: 7, DAY: 9}
    assert buffer.next_offsets[UPDATE_PROGRESS, 0] == 10
    assert batch.unreadable_count == 1


def test_a_series_repair_without_a_begin_or_of_many_days_is_one_request() -> None:
    many = 401 * DAY
    repairs = (
        SeriesRepair("a", "lki", INSTANT_MIN, 5),
        SeriesRepair("b", "lki", 0, many),
        SeriesRepair("c", "area_lki", 0, many),
    )
    batch = batch_of(topics.UPDATES, messages.UPDATES.encode(UpdateBatch(LAYOUT_VERSION, (), repairs, 7)))
    assert {key[:3:2]: one.offset for key, one in batch.update_buffer.series_repairs.items()} == {
        ("a", INSTANT_MIN): 7,
        ("b", INSTANT_MIN): 7,
    }
    assert batch.unreadable_count == 1, "storage does not know the days of an area"


def test_a_repeated_last_good_value_does_not_change_its_series() -> None:
    good = replace(update(1, None, "lki"), kind=UpdateKind.INDICATOR)
    failed = replace(good, revision=2, flags=32, last_good=LastGoodValue(good.value, good.phenomenon_time))
    batch = batch_of(topics.UPDATES, updates(good), updates(failed))
    assert (batch.update_buffer.updates["a", "lki"].revision, failed.revision) == (2, 2)
    assert [one.revision for one in batch.update_buffer.entity_values.values()] == [good.revision]


def test_of_derived_rows_the_newest_revision_is_kept_and_of_repairs_the_last_offset() -> None:
    assessments = Assessment(7, 5, 16, 20), Assessment(7, 5, 0, 30)
    batch = batch_of(
        topics.AGGREGATES,
        derived(20, 4, (aggregate(20), aggregate(20, HOUR)), assessments[:1], (WindowRepair(7, HOUR + 5),)),
        derived(
            30, 6, (aggregate(30),), assessments[1:], (WindowRepair(7, HOUR + 9), WindowRepair(7, 2 * HOUR))
        ),
    )
    assert {key: one.revision for key, one in batch.aggregates.items()} == {
        (MINUTE, 7, 0): 30,
        (HOUR, 7, 0): 20,
    }
    assert batch.assessments == {(7, 5): assessments[1]}
    assert batch.repairs == {(7, HOUR): (0, 6, 30), (7, 2 * HOUR): (0, 6, 30)}
    assert batch.derived_count == 8


def test_a_window_of_an_unknown_size_is_quarantined_and_the_others_stay() -> None:
    batch = batch_of(topics.AGGREGATES, derived(20, 4, (aggregate(20, 7), aggregate(20))))
    assert batch.aggregates.keys() == {(MINUTE, 7, 0)}
    assert "1 of 2 entries" in next(iter(batch.quarantined.values())).detail


def test_a_message_counts_by_its_header_or_its_quarantine_record_never_by_both() -> None:
    batch = batch_of(topics.OBSERVATIONS, record_with_headers([ONE], "run", 5))
    for message in (
        quarantined_message(6),
        quarantined_message(5, observations=1),
        quarantined_message(7, session=""),
    ):
        batch.add(record(topics.QUARANTINE, 0, messages.QUARANTINE.encode(message)))
    counted = batch.observation_buffer.messages["run"].distinct()
    assert dict(zip(counted.sequences.tolist(), counted.accepted.tolist(), strict=True)) == {
        5: True,
        6: False,
    }
    assert batch.observation_buffer.messages.keys() == {"run"}
    assert len(batch.quarantined) == 3


def test_the_answer_to_a_replay_is_not_counted_as_a_message() -> None:
    answer = quarantined_message(8, replay_of="id6", reason="")
    batch = batch_of(topics.QUARANTINE, messages.QUARANTINE.encode(answer))
    assert batch.replay_answers == {"id6": answer}
    assert not batch.quarantined
    assert not batch.observation_buffer.messages


def test_an_unreadable_record_is_quarantined_and_skipped() -> None:
    batch = LogBatch("log")
    batch.add(record(topics.OBSERVATIONS, 4, b"\xc1 garbage"))
    batch.add(record(topics.OBSERVATIONS, 5, encode_observations([ONE], 0)))
    (message,) = batch.quarantined.values()
    assert message.reason == QuarantineReason.DECODER_FAILED
    assert message.topic == "log:observations/0"
    assert message.payload == b"\xc1 garbage"
    assert "offset 4 of log log" in message.detail
    assert batch.observation_buffer.firsts == [ONE]
    assert batch.next_offsets == {(topics.OBSERVATIONS, 0): 6}


def test_a_record_of_another_version_is_kept_whole_and_can_be_read_by_it() -> None:
    many = tuple(ONE._replace(phenomenon_time=number) for number in range(2_000))
    later = messages.OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION + 1, many, 5, b"", bytes(700_000)))
    batch = batch_of(topics.OBSERVATIONS, later, encode_observations([ONE], 0))
    (message,) = batch.quarantined.values()
    assert message.payload == later
    assert f"has version {LAYOUT_VERSION + 1}" in message.detail
    assert "offset 0 of log log" in message.detail
    assert batch.observation_buffer.firsts == [ONE]


def test_an_unreadable_record_has_a_stable_and_unique_id() -> None:
    def ids(log_id: str, offset: int) -> set[str]:
        batch = LogBatch(log_id)
        batch.add(record(topics.UPDATES, offset, b"?"))
        return set(batch.update_buffer.unreadable)

    assert ids("a", 1) == ids("a", 1)
    assert len(ids("a", 1) | ids("a", 2) | ids("b", 1)) == 3


def test_an_observation_outside_the_column_limits_is_quarantined_and_the_others_stay() -> None:
    impossible = [
        ONE._replace(datastream=2**31),
        ONE._replace(flags=2**15),
        ONE._replace(phenomenon_time=2**62),
    ]
    batch = batch_of(topics.OBSERVATIONS, encode_observations([*impossible, ONE], 0))
    assert batch.observation_buffer.firsts == [ONE]
    (message,) = batch.quarantined.values()
    assert "3 of 4 observations" in message.detail
