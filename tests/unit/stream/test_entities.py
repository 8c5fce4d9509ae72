"""Checkpoints of a partition: what is restored, and from where the replay starts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.partition import NOWHERE, Checkpoint, PartitionState
from tests.cities import small_city
from tests.strategies import observations
from twin.entity_state import EntityState
from twin.instant import MINUTE
from twin.messages import Update
from twin.observation import Observation

MODEL = small_city()
FUTURE_MAX = 5 * MINUTE
BUCKETS = 4
LOG = "log-1"


class Store:
    """What a changelog holds: the last write of each entry."""

    def __init__(self) -> None:
        self.buckets: dict[int, bytes] = {}
        self.position: bytes | None = None

    def write(self, checkpoint: Checkpoint, *, buckets: int | None = None, position: bool = True) -> None:
        """Write a checkpoint, or only its first `buckets` entries, as a crash would leave it."""
        for number, value in list(checkpoint.buckets.items())[:buckets]:
            self.buckets[number] = value
        if position:
            self.position = checkpoint.position

    def restore(self, log: str = LOG) -> PartitionState | None:
        return PartitionState.restored(log, BUCKETS, self.position, self.buckets.get)


def fresh() -> PartitionState:
    return PartitionState.seeded(LOG, BUCKETS, [])


def play(
    state: PartitionState, records: list[list[Observation]], start: int, stop: int
) -> dict[tuple[str, int], Update]:
    told = {}
    for offset in range(start, stop):
        for update in state.apply(offset, records[offset], MODEL, FUTURE_MAX).updates:
            told[update.entity, update.revision] = update
    return told


records_strategy = st.lists(st.lists(observations, min_size=1, max_size=5), min_size=1, max_size=12)


@given(records_strategy, st.data())
def test_a_crash_anywhere_replays_to_the_same_updates(records: list[list[Observation]], data) -> None:
    whole = play(fresh(), records, 0, len(records))
    store, state = Store(), fresh()
    store.write(state.checkpoint())
    told: dict[tuple[str, int], Update] = {}
    done = 0
    while done < len(records):
        stop = data.draw(st.integers(done + 1, len(records)))
        for key, update in play(state, records, done, stop).items():
            assert told.setdefault(key, update) == update
        done = stop
        kind = data.draw(st.sampled_from(["checkpoint", "torn", "crash"]))
        if kind == "checkpoint":
            store.write(state.checkpoint())
        elif kind == "torn":
            store.write(state.checkpoint(), buckets=data.draw(st.integers(0, BUCKETS)), position=False)
        if kind != "checkpoint":
            restored = store.restore()
            assert restored is not None
            state, done = restored, restored.offset + 1
    assert told == whole


@given(records_strategy, st.data())
def test_a_worker_that_lost_the_partition_cannot_lose_a_record(
    records: list[list[Observation]], data
) -> None:
    """Two owners at once, the old one behind, their entries reaching the changelog in any mixture."""
    whole = play(fresh(), records, 0, len(records))
    store, old = Store(), fresh()
    store.write(old.checkpoint())
    middle = data.draw(st.integers(0, len(records)))
    told = play(old, records, 0, middle)
    new = store.restore()
    assert new is not None
    told |= play(new, records, 0, len(records))
    entries = [("bucket", n, v) for n, v in old.checkpoint().buckets.items()]
    late = old.checkpoint().position
    newest = new.checkpoint()
    store.write(newest)
    for _, number, value in data.draw(st.permutations(entries)) if entries else []:
        if data.draw(st.booleans()):
            store.buckets[number] = value
    if data.draw(st.booleans()):
        store.position = late
    restored = store.restore()
    assert restored is not None
    again = play(restored, records, restored.offset + 1, len(records))
    for key, update in again.items():
        assert whole[key] == update
    assert told == whole
    final, other = restored.checkpoint(), fresh()
    play(other, records, 0, len(records))
    assert _entities(restored) == _entities(other)
    assert final.position


def _entities(state: PartitionState) -> dict[str, EntityState]:
    return {name: entity for bucket in state._buckets for name, entity in bucket.entities.items()}


def test_a_checkpoint_of_another_log_is_not_taken() -> None:
    store, state = Store(), fresh()
    play(state, [[Observation(1, 0, 0, 1.0)]], 0, 1)
    store.write(state.checkpoint())
    assert store.restore("log-2") is None


def test_a_partition_without_a_checkpoint_has_none() -> None:
    assert Store().restore() is None


def test_a_seeded_partition_starts_at_the_beginning_and_keeps_its_revisions() -> None:
    entity = EntityState(revision=41, datastreams={4: Observation(4, 0, 0, -0.5)})
    state = PartitionState.seeded(LOG, BUCKETS, [("town.canal", entity)])
    assert state.offset == NOWHERE
    applied = state.apply(0, [Observation(4, MINUTE, MINUTE, -0.4)], MODEL, FUTURE_MAX)
    assert [update.revision for update in applied.updates] == [42]


def test_an_unknown_datastream_is_counted_and_passed_over() -> None:
    applied = fresh().apply(0, [Observation(99, 0, 0, 1.0)], MODEL, FUTURE_MAX)
    assert (applied.unknown, applied.updates) == (1, [])
