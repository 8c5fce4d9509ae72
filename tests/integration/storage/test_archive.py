"""The tables keep the law of conflicts, in whatever order and batches the observations come."""

from __future__ import annotations

from itertools import count

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from runtime import topics
from storage.archive import Archive
from storage.historian_metrics import HistorianMetrics
from storage.log_batch import LogBatch, LogRecord
from tests.integration.storage.historian_runs import START, fetch, stored_observations
from twin import messages
from twin.datastream_state import classify
from twin.messages import Update, UpdateBatch, encode_observations
from twin.observation import Observation

FRESH = count(1)

OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        st.just(0),
        st.integers(START, START + 2),
        st.integers(START + 5, START + 8),
        st.sampled_from([-0.5, 0.0, 1.0]),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=12,
)


def batch_of(observations: list[Observation]) -> LogBatch:
    batch = LogBatch("log")
    batch.add(LogRecord(topics.OBSERVATIONS, 0, 0, 0, encode_observations(observations)))
    updates = tuple(
        Update("e", str(one.datastream), 1, one.value, one.phenomenon_time, 0, 0, (), one)
        for one in observations
    )
    batch.add(LogRecord(topics.UPDATES, 0, 0, 0, messages.UPDATES.encode(UpdateBatch(1, updates))))
    return batch


def law(observations: list[Observation]) -> list[Observation]:
    """Return what `twin.datastream_state` keeps for each phenomenon time."""
    kept: dict[int, Observation | None] = {}
    for one in observations:
        kept[one.phenomenon_time], _ = classify(kept.get(one.phenomenon_time), one, future_max=10)
    return sorted(one for one in kept.values() if one is not None)


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(OBSERVATIONS, min_size=1, max_size=4))
async def test_tables_and_stream_agree_on_what_wins(database: str, batches: list[list[Observation]]) -> None:
    datastream = next(FRESH)
    archive = Archive(database, HistorianMetrics())
    everything: list[Observation] = []
    try:
        for observations in batches:
            mine = [one._replace(datastream=datastream) for one in observations]
            everything += mine
            await archive.store(batch_of(mine))
    finally:
        await archive.close()
    stored = [one for one in await stored_observations(database) if one.datastream == datastream]
    assert stored == law(everything)
    assert await fetch(
        database,
        "SELECT (extract(epoch FROM phenomenon_time) * 1000000)::bigint,"
        " (extract(epoch FROM received_time) * 1000000)::bigint, value, flags"
        f" FROM datastream_state WHERE datastream_id = {datastream}",
    ) == [law(everything)[-1][1:]]


async def test_what_became_of_observations_is_counted(database: str) -> None:
    metrics = HistorianMetrics()
    archive = Archive(database, metrics)
    first = Observation(1, START, START + 5, 1.0)

    def counted() -> dict[str, float]:
        def sample(outcome: str) -> float | None:
            return metrics.registry.get_sample_value(
                "livetwin_historian_observations_total", {"outcome": outcome}
            )

        return {outcome: sample(outcome) or 0.0 for outcome in ("new", "corrected", "duplicate")}

    try:
        await archive.store(batch_of([first, first, first._replace(phenomenon_time=START + 1)]))
        assert counted() == {"new": 2, "corrected": 0, "duplicate": 1}
        await archive.store(
            batch_of(
                [first._replace(received_time=START + 6, value=2.0), first, Observation(2, START, START, 0.0)]
            )
        )
        assert counted() == {"new": 3, "corrected": 1, "duplicate": 2}
        await archive.store(batch_of([first]))
        assert counted() == {"new": 3, "corrected": 1, "duplicate": 3}
    finally:
        await archive.close()


async def test_an_older_revision_changes_nothing(database: str) -> None:
    archive = Archive(database, HistorianMetrics())

    def told(revision: int, value: float) -> LogBatch:
        batch = LogBatch("log")
        one = Observation(1, START, START, value)
        record = UpdateBatch(1, (Update("e", "p", revision, value, START, START, 0, (1, 2), one),))
        batch.add(LogRecord(topics.UPDATES, 0, revision, 0, messages.UPDATES.encode(record)))
        return batch

    try:
        for revision, value in ((5, 1.0), (4, 2.0), (5, 3.0), (6, 0.5)):
            await archive.store(told(revision, value))
    finally:
        await archive.close()
    assert await fetch(database, "SELECT revision, value, datastream_ids FROM property_state") == [
        (6, 0.5, [1, 2])
    ]
    assert await fetch(database, "SELECT value FROM datastream_state") == [(3.0,)]
