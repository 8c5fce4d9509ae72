"""What storage has found of the past of a datastream corrects the state in the stream."""

from __future__ import annotations

from msgspec.structs import replace

from runtime.kafka import topics
from stream.engine.stage import OutputRecord
from stream.engine.stage_seed import EMPTY_SEED
from stream.entities.entity_stage import EntityStageFactory
from tests.support.cities.city_builder import CityBuilder
from tests.support.database.memory_history import MemoryHistory, completed
from twin.instant import HOUR, INSTANT_MIN, MINUTE
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag
from twin.state.datastream_history import read_stored_history
from twin.state.datastream_state import RECENT_MAX
from twin.state.preceding_history import StoredHistory
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AGGREGATES, AggregateBatch, ObservationBatch

MODEL = CityBuilder().entity("town", "Municipality").sensor("co2", "town", "co2", interval=HOUR // 3).model()
(STREAM,) = MODEL.datastreams.values()
POLICY = MODEL.policy_of(STREAM)


def measured(start: int, stop: int, value: float = 410.0) -> list[Observation]:
    """Return observations each twenty minutes; the whole run is stuck after a day."""
    return [Observation(STREAM.id, n * HOUR // 3, n * HOUR // 3, value) for n in range(start, stop)]


def batches(outputs: list[OutputRecord]) -> list[AggregateBatch]:
    return [AGGREGATES.decode(one.value) for one in outputs if one.topic == topics.AGGREGATES]


def history_of(observations: list[Observation], offset: int) -> StoredHistory:
    reader = MemoryHistory(sorted(observations, key=lambda one: one[1]), POLICY)
    history = completed(read_stored_history(reader, POLICY, STREAM.id, RECENT_MAX + 16))
    return replace(history, offset=offset)


def test_the_run_that_late_data_lengthen_is_known_for_the_next_value() -> None:
    late, early = measured(0, 20), measured(20, 75)
    stage = EntityStageFactory("log-1", 1, 4, 5 * MINUTE).seeded(0, EMPTY_SEED, MODEL)
    time = early[-1].received_time
    for offset, found in enumerate((early, late)):
        applied = stage.apply(offset, ObservationBatch(LAYOUT_VERSION, tuple(found), time), MODEL)
    assert {one.phenomenon_time for batch in batches(applied.outputs) for one in batch.repairs} >= {0}

    def sent(offset: int, history: StoredHistory) -> list[AggregateBatch]:
        batch = ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, histories=(history,))
        return batches(stage.apply(offset, batch, MODEL).outputs)

    whole = history_of([*late, *early], offset=1)
    assert sent(2, replace(whole, offset=0)) == [], "it was read before the late data were stored"
    judged = [one for batch in sent(3, whole) for one in batch.assessments]
    assert max(one.phenomenon_time for one in judged) == early[-1].phenomenon_time
    assert all(one.flags & QualityFlag.STUCK for one in judged)
    assert sent(4, whole) == [], "nothing is awaited any more"
