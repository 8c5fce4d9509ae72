"""The same observations in order, with one log partition and no crash, to compare indicators with.

Indicators over closed windows must be equal. Indicators over instants are not compared: they depend on which
value was the newest at some time, and late values change that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runtime.kafka import topics
from stream.engine.stage_seed import EMPTY_SEED
from tests.simulation.invariants.observations import FinalState
from tests.simulation.oracles import property_oracle
from tests.simulation.scenario import Scenario
from tests.simulation.system.model_database import ModelDatabase
from tests.simulation.system.simulated_log import SimulatedLog
from tests.simulation.system.simulated_stream import SimulatedStream
from tests.support.payloads.observation_records import encode_observations
from twin.indicators.registry import REGISTRY
from twin.instant import MINUTE, Duration
from twin.state.derived_points import entity_inputs
from twin.state.derived_state import DerivedState
from twin.wire.messages import AGGREGATES, UpdateKind

ALL = 1_000_000

OVER_WINDOWS = frozenset(
    name for name, one in REGISTRY.items() if all(input.averaging != "instant" for input in one.inputs)
)


def indicators_match_fault_free_run(
    ending: FinalState, scenario: Scenario, logs: Sequence[SimulatedLog], last_ticks: Sequence[Duration]
) -> Iterator[str]:
    """An indicator over windows has the value of the fault-free run.

    Excluded are entities with observations too late for the windows in memory: history is repaired, the
    indicator is not. Excluded are also indicators without a value by the final windows: a sum over several
    sensors may be published from those that closed first, and which these are depends on the order.
    """
    model, plain = ending.model, _played(ending, scenario, last_ticks)
    repaired = {model.datastreams[id].entity for id in repaired_datastreams(logs)}
    given = _given(ending)
    for key in plain.updates.keys() | ending.database.updates.keys():
        if key not in given or key[0] in repaired:
            continue
        published, expected = ending.database.updates.get(key), plain.updates.get(key)
        if published is None or expected is None:
            if published is not expected:
                yield f"indicator {key}: published {published}, in order {expected}"
        elif published.kind is UpdateKind.INDICATOR and (published.value, published.phenomenon_time) != (
            expected.value,
            expected.phenomenon_time,
        ):
            yield f"indicator {key}: published {published}, in order {expected}"


def _given(ending: FinalState) -> set[tuple[str, str]]:
    """Return the indicators that have a value by the final windows."""
    model, found = ending.model, set()
    for entity in model.entities.values():
        wanted = entity_inputs(entity.id, model)
        derived = DerivedState()
        for aggregate in sorted(ending.database.aggregates.values(), key=lambda one: one.start):
            datastream = model.datastreams[aggregate.datastream]
            if datastream.entity == entity.id:
                derived.on_window(datastream.property, aggregate, wanted)
        found |= {(entity.id, one.name) for one in derived.derive(model, entity.id, wanted, ending.now)}
    return {key for key in found if key[1] in OVER_WINDOWS}


def _played(ending: FinalState, scenario: Scenario, last_ticks: Sequence[Duration]) -> ModelDatabase:
    log, database = SimulatedLog(0, 1), ModelDatabase()
    found = [one for ones in property_oracle.surviving_observations(ending.logged).values() for one in ones]
    found.sort(key=lambda one: (one.phenomenon_time, one.datastream))
    now = 0
    for begin in range(0, len(found), 8):
        part = found[begin : begin + 8]
        now = part[-1].phenomenon_time
        log.append(topics.OBSERVATIONS, 0, encode_observations(part, now))
    for step in (MINUTE, *last_ticks):
        now += step
        log.append(topics.OBSERVATIONS, 0, encode_observations((), now))
    stream = SimulatedStream(scenario.dice("in order"), log, 1, lambda: ending.model, lambda: EMPTY_SEED)
    stream.drain()
    database.store_records(log, topics.UPDATES, 0, ALL)
    return database


def repaired_datastreams(logs: Sequence[SimulatedLog]) -> set[int]:
    """Return the datastreams with observations that came too late for the windows in memory."""
    return {
        repair.datastream
        for log in logs
        for topic, partition in log.partitions()
        if topic == topics.AGGREGATES
        for offset in range(log.end(topic, partition))
        for repair in AGGREGATES.decode(log.read(topic, partition, offset)).repairs
    }
