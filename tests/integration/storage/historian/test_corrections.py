"""Of two values of one key the one that became known later wins, in stream and history, at any time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.mqtt.message import MqttMessage, replayed_reception
from runtime.kafka import topics
from simulators.replay.player import Playing
from simulators.replay.recorded_data import ReadOptions
from simulators.replay.recording import build_recording, read_files
from storage.database import connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.history.bucket_interval import BucketInterval
from storage.history.buckets import read_history_buckets
from storage.history.observations import read_observations
from storage.stores.state_seed import read_state_seed
from tests.support.cities.small_cities import small_city
from tests.support.database.historian import START, fetch_rows
from tests.support.payloads.observation_records import encode_observations
from tests.support.pipelines.intake import make_intake
from twin.instant import DAY, HOUR, MINUTE, Instant, format_instant
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.observed_property import BUILT_IN_PROPERTIES
from twin.state.datastream_state import DatastreamState

POLICY = DatastreamPolicy.of(BUILT_IN_PROPERTIES["noise_level"], MINUTE)
NOON = START - START % DAY
TODAY = NOON + 30 * DAY
FUTURE_MAX = 5 * MINUTE

DATASTREAM = (
    "INSERT INTO entity (id, type, name, attributes, relations) VALUES ('e', 'Road', 'e', '{}', '[]')",
    "INSERT INTO sensor (id, feed, device, entity_id, interval, personal) "
    "VALUES ('s', 'native', 's', 'e', '1 minute', false)",
    'INSERT INTO datastream (id, sensor_id, entity_id, property, field, unit, scale, "offset", interval) '
    "VALUES (1, 's', 'e', 'noise_level', '', 'dB[A]', 1, 0, '1 minute')",
)

# Few distinct receptions, ranks and values, so that they are often equal.
VERSIONS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([26.16, 261.6, 30.0]), st.integers(0, 1)),
    min_size=1,
    max_size=6,
)


async def write(database: str, observations: list[Observation]) -> None:
    """Store each observation in a transaction of its own."""
    writer = BatchWriter(database, HistorianMetrics())
    try:
        await writer.read_positions("log")
        for observation in observations:
            batch = LogBatch("log")
            batch.add(LogRecord(topics.OBSERVATIONS, 0, 0, 0, encode_observations([observation], START)))
            await writer.store(batch)
    finally:
        await writer.close()


async def known(database: str, id: int, at: Instant | None) -> list[float]:
    """Return the values as known at a time; the hour of the value must be the same."""
    async with await connect(database, role="test") as connection:
        found = await read_observations(connection, [id], NOON, NOON + DAY, 10, known_at=at)
        hour = BucketInterval.parse("PT1H")
        hours = await read_history_buckets(
            connection, [id], NOON, NOON + HOUR, hour, ["mean"], "UTC", known_at=at
        )
    values = [one.value for one in found]
    assert [one.values["mean"] for one in hours] == values
    return values


def live(observations: list[Observation]) -> Observation:
    state = DatastreamState()
    for observation in observations:
        state.observe(observation, POLICY, FUTURE_MAX)
    return state.newest


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(versions=VERSIONS, data=st.data())
async def test_stream_and_history_agree_in_any_order(
    database: str, versions: list[tuple[int, int, float, int]], data: st.DataObject
) -> None:
    id = 1 + len(await fetch_rows(database, "SELECT DISTINCT datastream_id FROM observation"))
    found = [Observation(id, NOON, NOON + HOUR * (1 + r), v, flags, rank) for r, rank, v, flags in versions]
    arrivals = data.draw(st.permutations(found))
    await write(database, arrivals)

    def winner(until: Instant) -> Observation:
        """Return what was known at a time."""
        received = [one for one in found if one.received_time <= until]
        return max(received, key=lambda one: (one.received_time, one.rank, one.value, one.flags))

    last = winner(TODAY)
    newest = live(arrivals)
    assert (newest.value, newest.received_time, newest.rank) == (last.value, last.received_time, last.rank)
    assert await known(database, id, None) == [last.value]
    for hour in range(1, 4):
        time = NOON + hour * HOUR
        expected = [winner(time).value] if any(one.received_time <= time for one in found) else []
        assert await known(database, id, time) == expected


def play(folder: Path, value: float, playing: Playing, arrival: Instant) -> list[Observation]:
    """Play a file with one value of noise-1 at noon; return the observations of ingest."""
    path = folder / f"{value}.csv"
    path.write_text(f"time,sensor,noise_level\n{format_instant(NOON)},noise-1,{value}\n")
    data = read_files([path], ReadOptions())
    recording = build_recording(data, city="town", correction=playing.correction)
    observations: list[Observation] = []
    for number, message in enumerate(recording.messages, 1):
        reception = replayed_reception(playing.user_properties(message.time, number), arrival + number)
        received = MqttMessage(
            message.topic, message.payload, reception.time, 1, 1, 1, reception.rank, reception.any_age
        )
        observations += make_intake().process(received).observations
    return observations


@pytest.mark.parametrize("values", [(150.0, 26.16), (26.16, 150.0)], ids=["lower", "higher"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_history_that_is_played_later_wins_at_every_time(
    database: str, tmp_path: Path, values: tuple[float, float], reverse: bool
) -> None:
    """Both plays say that their value was known at noon already; the second one is right about it."""
    first = play(tmp_path, values[0], Playing(started=TODAY), TODAY + HOUR)
    second = play(tmp_path, values[1], Playing(started=TODAY + HOUR), TODAY + 2 * HOUR)
    arrivals = [*second, *first] if reverse else [*first, *second]
    await write(database, arrivals)
    assert live(arrivals).value == values[1]
    id = first[0].datastream
    assert [await known(database, id, at) for at in (NOON - 1, NOON, None)] == [[], [values[1]], [values[1]]]


@pytest.mark.parametrize("values", [(150.0, 26.16), (26.16, 150.0)], ids=["lower", "higher"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_a_correction_is_known_from_its_play_on(
    database: str, tmp_path: Path, values: tuple[float, float], reverse: bool
) -> None:
    first = play(tmp_path, values[0], Playing(started=TODAY), TODAY)
    second = play(tmp_path, values[1], Playing(started=TODAY, correction=True), TODAY)
    arrivals = [*second, *first] if reverse else [*first, *second]
    await write(database, arrivals)
    assert live(arrivals).value == values[1]
    id = first[0].datastream
    assert [await known(database, id, at) for at in (NOON, TODAY, TODAY + 1, None)] == [
        *([values[0]], [values[0]], [values[1]], [values[1]]),
    ]


async def test_a_new_log_begins_with_the_order_of_what_is_stored(database: str) -> None:
    """A stream that is seeded from the database refuses the earlier play, whose value is greater."""
    played = [Observation(1, NOON, NOON, value, 0, rank) for value, rank in ((150.0, 7), (26.16, 9))]
    await write(database, played)
    async with await connect(database, role="test") as connection:
        for statement in DATASTREAM:
            await connection.execute(statement)
        await connection.commit()
        seed = (await read_state_seed(connection, "another", 48, small_city())).observations
    assert seed == [played[1]]
    assert live([*seed, played[0]]).value == 26.16
