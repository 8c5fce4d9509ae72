"""What storage has found of the past of a datastream corrects the state in the stream."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from runtime.kafka import topics
from stream.engine.stage import OutputRecord
from stream.engine.stage_seed import EMPTY_SEED
from stream.entities.entity_stage import EntityStageFactory
from tests.support.cities.city_builder import CityBuilder
from tests.support.database.memory_history import MemoryHistory, completed
from twin.instant import HOUR, INSTANT_MIN, MINUTE
from twin.model.city_model import CityModel
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.quality.quality_flags import STUCK_FOUND_LATER, QualityFlag
from twin.state.datastream_history import read_stored_history
from twin.state.datastream_state import RECENT_MAX
from twin.state.preceding_history import StoredHistory
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AGGREGATES, UPDATES, AggregateBatch, ObservationBatch, Update, WindowRepair

MODEL = CityBuilder().entity("town", "Municipality").sensor("co2", "town", "co2", interval=HOUR // 3).model()
(STREAM,) = MODEL.datastreams.values()
POLICY = MODEL.policy_of(STREAM)


def measured(start: int, stop: int, value: float = 410.0) -> list[Observation]:
    """Return observations each twenty minutes; the whole run is stuck after a day."""
    return [Observation(STREAM.id, n * HOUR // 3, n * HOUR // 3, value) for n in range(start, stop)]


def batches(outputs: list[OutputRecord]) -> list[AggregateBatch]:
    return [AGGREGATES.decode(one.value) for one in outputs if one.topic == topics.AGGREGATES]


def history_of(
    observations: list[Observation], offset: int, policy: DatastreamPolicy = POLICY
) -> StoredHistory:
    reader = MemoryHistory(sorted(observations, key=lambda one: one[1]), policy)
    history = completed(read_stored_history(reader, policy, STREAM.id, RECENT_MAX + 16))
    return replace(history, offset=offset)


def with_maximum(maximum: float) -> CityModel:
    """Return the next version of the model, in which greater values are suspect."""
    co2 = MODEL.properties["co2"]
    stricter = dataclasses.replace(co2, quality=dataclasses.replace(co2.quality, maximum=maximum))
    properties = {**MODEL.properties, "co2": stricter}
    return dataclasses.replace(MODEL, version=MODEL.version + 1, properties=properties)


def last_updates(outputs: list[OutputRecord]) -> list[Update]:
    found = [UPDATES.decode(one.value).updates for one in outputs if one.topic == topics.UPDATES]
    return [one for updates in found for one in updates if one.property == "co2"]


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


@pytest.mark.parametrize("count", [40, 75])
def test_the_last_good_value_after_a_change_of_rules_is_by_the_new_ones(count: int) -> None:
    """Of values in memory at once, where all are; else when storage has found what was before."""
    found = [one._replace(value=400.0 + number) for number, one in enumerate(measured(0, count))]
    stage = EntityStageFactory("log-1", 1, 4, 5 * MINUTE).seeded(0, EMPTY_SEED, MODEL)
    time = found[-1].received_time
    stage.apply(0, ObservationBatch(LAYOUT_VERSION, tuple(found), time), MODEL)
    limit = found[5 if count == 40 else count - 45].value
    stricter = with_maximum(limit)
    outputs = stage.apply(1, ObservationBatch(LAYOUT_VERSION, (), time), stricter).outputs
    if count > RECENT_MAX:
        history = history_of(found, 1, stricter.policy_of(STREAM))
        batch = ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, histories=(history,))
        outputs = stage.apply(2, batch, stricter).outputs
    update = last_updates(outputs)[-1]
    assert update.last_good is not None
    assert update.last_good.value == limit


def test_what_was_judged_before_storage_knew_of_a_longer_run_is_repaired_again() -> None:
    """Storage repairs what it has; the stream goes on with the shorter run until it gets the answer."""
    late, early, later = measured(0, 20), measured(20, 75), measured(75, 135)
    stage = EntityStageFactory("log-1", 1, 4, 5 * MINUTE).seeded(0, EMPTY_SEED, MODEL)
    marked = []
    for offset, found in enumerate((early, late, later[:20], later[20:])):
        batch = ObservationBatch(LAYOUT_VERSION, tuple(found), max(early[-1][2], found[-1][2]))
        outputs = stage.apply(offset, batch, MODEL).outputs
        marked += [one for batch in batches(outputs) for one in batch.assessments]
    assert any(one[1:3] == (later[0].phenomenon_time, STUCK_FOUND_LATER) for one in marked)

    def repairs_after(offset: int) -> list[WindowRepair]:
        history = history_of([*late, *early, *later], offset=2)
        batch = ObservationBatch(LAYOUT_VERSION, (), INSTANT_MIN, histories=(history,))
        return [one for batch in batches(stage.apply(offset, batch, MODEL).outputs) for one in batch.repairs]

    assert repairs_after(4) == [WindowRepair(STREAM.id, early[-RECENT_MAX].phenomenon_time)]
    assert repairs_after(5) == [], "nothing is awaited any more"


def test_other_sensors_deviate_at_once_by_a_changed_limit() -> None:
    builder = CityBuilder().entity("town", "Municipality")
    for name in ("a", "b", "c"):
        builder.sensor(name, "town", "co2")
    first = builder.model()
    stage = EntityStageFactory("log-1", 1, 4, 5 * MINUTE).seeded(0, EMPTY_SEED, first)
    values = zip(sorted(first.datastreams), (400.0, 401.0, 450.0), strict=True)
    found = tuple(Observation(id, MINUTE, MINUTE, value) for id, value in values)

    def deviating(offset: int, observations: tuple[Observation, ...], limit: float) -> tuple[int, ...]:
        co2 = first.properties["co2"]
        limited = dataclasses.replace(co2, quality=dataclasses.replace(co2.quality, disagreement=limit))
        properties = {**first.properties, "co2": limited}
        model = dataclasses.replace(first, version=first.version + offset, properties=properties)
        outputs = stage.apply(offset, ObservationBatch(LAYOUT_VERSION, observations, MINUTE), model).outputs
        return last_updates(outputs)[-1].deviating

    assert deviating(0, found, 20.0) == found[2][:1]
    assert deviating(1, (), 100.0) == ()
