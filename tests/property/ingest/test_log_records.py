"""Properties of the records that ingest writes, for any messages."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.pipeline.intake import MESSAGE_OBSERVATIONS_MAX, ProcessedMessage
from ingest.pipeline.records import (
    HEADER_BYTES_MAX,
    OBSERVATION_BYTES_MAX,
    RECORD_BYTES_MAX,
    RECORD_OBSERVATIONS_MAX,
    OutgoingRecord,
    RecordBuilder,
)
from twin.model.observation import Observation
from twin.wire.messages import (
    OBSERVATIONS,
    QUARANTINE,
    MessageHeader,
    QuarantinedMessage,
    decode_headers,
    decode_payloads,
)

SESSION = "run-1"
EXTREME = Observation(2**31 - 1, 2**62, -(2**62), 0.1, 2**15 - 1)
MANY = [EXTREME._replace(phenomenon_time=2**62 + number) for number in range(MESSAGE_OBSERVATIONS_MAX + 20)]


def taken(
    partition: int, observations: list[Observation], payload: bytes, topic: str, number: int
) -> ProcessedMessage:
    header = MessageHeader(
        number,
        2**62,
        topic,
        "feed",
        "device",
        "decoder",
        2**31,
        len(observations),
        len(payload),
        b"\xff" * 32,
    )
    return ProcessedMessage(partition, observations, None, header, payload)


def refused(number: int) -> ProcessedMessage:
    message = QuarantinedMessage(
        2, f"id-{number}", "feed", "topic", 1, "malformed", "", b"{", 1, "", SESSION, number, 0
    )
    return ProcessedMessage(0, [], message)


@st.composite
def batches(draw: st.DrawFn) -> list[ProcessedMessage]:
    """Return batches with few and with very many observations, small and very large payloads."""
    batch: list[ProcessedMessage] = []
    for number in range(draw(st.integers(0, 12))):
        count = draw(st.sampled_from([0, 1, 1, 2, 7, 700, 1_999, 2_000, 2_001, MESSAGE_OBSERVATIONS_MAX]))
        if not count:
            batch.append(refused(number))
            continue
        observations = MANY[number : number + count]
        size = draw(st.sampled_from([0, 1, 100, 300_000, RECORD_BYTES_MAX, 2 * RECORD_BYTES_MAX]))
        topic = draw(st.sampled_from(["t", "t" * 65_535, "é" * 32_767]))
        batch.append(taken(draw(st.integers(0, 2)), observations, b"x" * size, topic, number))
    return batch


def read(records: list[OutgoingRecord]) -> dict[int, list[tuple[MessageHeader, list[Observation], bytes]]]:
    """Return the messages of each partition, as a reader of the log puts them together again."""
    found: defaultdict[int, list[tuple[MessageHeader, list[Observation], bytes]]] = defaultdict(list)
    for record in records:
        if record.topic != "observations":
            continue
        batch = OBSERVATIONS.decode(record.value)
        headers = decode_headers(batch.headers)
        assert headers.session == SESSION
        payloads = decode_payloads(batch.payloads) if batch.payloads else (b"",) * len(headers.messages)
        observations = list(batch.observations)
        for header, payload in zip(headers.messages, payloads, strict=True):
            own = observations[: header.observations]
            del observations[: header.observations]
            found[record.partition].append((header, own, payload))
        assert not observations
    return found


@given(batches())
@settings(max_examples=30)
def test_headers_divide_the_observations_by_message_and_none_is_lost(
    batch: list[ProcessedMessage],
) -> None:
    found = read(list(RecordBuilder(SESSION, lambda: 5).records(batch)))
    for partition in range(3):
        expected = [one for one in batch if one.partition == partition and one.observations]
        assert [header for header, _, _ in found[partition]] == [one.header for one in expected]
        assert [own for _, own, _ in found[partition]] == [one.observations for one in expected]
        for (_, _, payload), message in zip(found[partition], expected, strict=True):
            alone = (
                len(message.payload) + OBSERVATION_BYTES_MAX * len(message.observations) + HEADER_BYTES_MAX
            )
            assert payload == message.payload or (payload == b"" and alone + 65_600 > RECORD_BYTES_MAX)


@given(batches())
@settings(max_examples=30)
def test_every_rejected_message_has_its_own_record(batch: list[ProcessedMessage]) -> None:
    records = [one for one in RecordBuilder(SESSION, lambda: 5).records(batch) if one.topic == "quarantine"]
    assert [QUARANTINE.decode(one.value) for one in records] == [
        one.quarantined for one in batch if one.quarantined is not None
    ]


@given(batches())
@settings(max_examples=30)
def test_records_are_bounded_in_bytes_and_in_observations(batch: list[ProcessedMessage]) -> None:
    for record in RecordBuilder(SESSION, lambda: 5).records(batch):
        assert len(record.value) <= RECORD_BYTES_MAX + 1_024
        if record.topic == "observations":
            decoded = OBSERVATIONS.decode(record.value)
            messages = decode_headers(decoded.headers).messages
            assert len(decoded.observations) <= RECORD_OBSERVATIONS_MAX or len(messages) == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.booleans())))
def test_time_rises_strictly_in_each_partition_whatever_the_clock_does(
    steps: list[tuple[int, int, bool]],
) -> None:
    now = 0
    maker = RecordBuilder(SESSION, lambda: now)
    times: defaultdict[int, list[int]] = defaultdict(list)
    for partition, now, ticks in steps:  # the clock reads `now`
        if ticks:
            made = [maker.tick_record(partition)]
        else:
            made = list(maker.records([taken(partition, [EXTREME], b"x", "t", 0)]))
        for record in made:
            time = OBSERVATIONS.decode(record.value).time
            assert time >= now
            times[record.partition].append(time)
    for partition_times in times.values():
        assert partition_times == sorted(set(partition_times))
