"""A batch keeps of each key what the law of conflicts keeps, and quarantines what it cannot read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime import topics
from storage.log_batch import LogBatch, LogRecord
from twin import messages
from twin.datastream_state import classify
from twin.messages import Update, UpdateBatch, encode_observations
from twin.observation import Observation
from twin.plausibility import Reason

ONE = Observation(1, 1_000, 2_000, 3.5)


def record(topic: str, offset: int, value: bytes) -> LogRecord:
    return LogRecord(topic, 0, offset, 1_700_000_000_000, value)


def update(revision: int, observation: Observation, property: str = "pm10") -> Update:
    return Update("a", property, revision, observation.value, 1, 2, 0, (observation.datastream,), observation)


@given(
    st.lists(
        st.builds(
            Observation,
            st.just(1),
            st.just(5),
            st.integers(5, 8),
            st.sampled_from([1.0, 2.0]),
            st.integers(0, 1),
        ),
        min_size=1,
    )
)
def test_a_batch_keeps_the_observation_that_would_be_the_state(observations: list[Observation]) -> None:
    batch = LogBatch("log")
    state = None
    for offset, one in enumerate(observations):
        batch.add(record(topics.OBSERVATIONS, offset, encode_observations([one])))
        state, _ = classify(state, one, future_max=0)
    assert list(batch.observations.values()) == [state]
    assert batch.observation_count == len(observations)
    assert batch.reached == {(topics.OBSERVATIONS, 0): len(observations)}


def test_of_updates_the_newest_revision_and_the_newest_state_stay() -> None:
    older, newer = Observation(7, 10, 11, 1.0), Observation(7, 20, 21, 2.0)
    batch = LogBatch("log")
    for offset, updates in enumerate([(update(2, newer),), (update(1, older), update(3, older, "no2"))]):
        batch.add(record(topics.UPDATES, offset, messages.UPDATES.encode(UpdateBatch(1, updates))))
    assert {key: one.revision for key, one in batch.updates.items()} == {("a", "pm10"): 2, ("a", "no2"): 3}
    assert batch.states == {7: newer}


def test_a_record_that_cannot_be_read_is_quarantined_and_passed() -> None:
    batch = LogBatch("log")
    batch.add(record(topics.OBSERVATIONS, 4, b"\xc1 garbage"))
    batch.add(record(topics.OBSERVATIONS, 5, encode_observations([ONE])))
    (message,) = batch.quarantined.values()
    assert message.reason == Reason.DECODER_FAILED
    assert message.topic == "log:observations/0"
    assert message.payload == b"\xc1 garbage"
    assert "offset 4 of log log" in message.detail
    assert list(batch.observations.values()) == [ONE]
    assert batch.reached == {(topics.OBSERVATIONS, 0): 6}


def test_the_same_unreadable_record_has_the_same_id_again_and_another_one_has_another() -> None:
    def ids(log_id: str, offset: int) -> set[str]:
        batch = LogBatch(log_id)
        batch.add(record(topics.UPDATES, offset, b"?"))
        return set(batch.quarantined)

    assert ids("a", 1) == ids("a", 1)
    assert len(ids("a", 1) | ids("a", 2) | ids("b", 1)) == 3


def test_an_observation_that_no_column_can_hold_is_quarantined_and_the_others_of_its_record_stay() -> None:
    batch = LogBatch("log")
    impossible = [
        ONE._replace(datastream=2**31),
        ONE._replace(flags=2**15),
        ONE._replace(phenomenon_time=2**62),
    ]
    batch.add(record(topics.OBSERVATIONS, 0, encode_observations([*impossible, ONE])))
    assert list(batch.observations.values()) == [ONE]
    (message,) = batch.quarantined.values()
    assert "3 of 4 observations" in message.detail
