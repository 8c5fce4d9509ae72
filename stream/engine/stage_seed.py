"""What the stages of a new log start from: the state that the database stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from storage.stores.state_seed import StateSeed
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.alarms.rules.operand import OperandSeries
from twin.instant import Instant
from twin.model.names import AREA_PREFIX
from twin.model.observation import Observation
from twin.privacy.cohort import PastCohort
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.state.window import Aggregate
from twin.wire.messages import Update, UpdateKind, WindowRepair


class StageSeed(NamedTuple):
    """What the database knows when a log begins."""

    #: the newest of each datastream, as many as a state keeps, ascending by phenomenon time
    observations: list[Observation]
    truncated: frozenset[int]  #: datastreams that have older observations than these
    aggregates: list[Aggregate]  #: the windows of ten minutes and of an hour that indicators look back to
    repairs: list[WindowRepair]  #: hours with closed windows of which no aggregate is stored
    revisions: dict[str, int]  #: entity → the last revision that was stored
    area_revisions: dict[str, int]  #: the same, of rolled-up values
    #: (entity, property) → value, phenomenon time and flags as they were last stored
    told: dict[tuple[str, str], tuple[float, Instant, int]]
    #: datastream → value, phenomenon time and flags as they were last stored
    states: dict[int, tuple[float, Instant, int]]
    derived: list[Update]  #: derived values of entities as they were last stored
    #: (entity, property) → the connections of the published sum that was last stored, and its window
    cohorts: dict[tuple[str, str], PastCohort]
    alarms: Sequence[AlarmEvent] = ()  #: each alarm as it was last stored
    incidents: Sequence[
        IncidentEvent
    ] = ()  #: the last incident of each cause and area, as it was last stored
    usual: Mapping[OperandSeries, Baseline] = MappingProxyType({})  #: of the series that rules learn from


EMPTY_SEED = StageSeed([], frozenset(), [], [], {}, {}, {}, {}, [], {})
"""What a database knows that nothing was ever stored in. Nobody changes what is in it."""


def stage_seed_of(stored: StateSeed) -> StageSeed:
    """Return what is stored as the stages start from it."""
    areas: dict[str, int] = {}
    told: dict[tuple[str, str], tuple[float, Instant, int]] = {}
    cohorts: dict[tuple[str, str], PastCohort] = {}
    derived: list[Update] = []
    for update in stored.state.updates:
        place = update.entity, update.property
        if update.property.startswith(AREA_PREFIX):
            areas[update.entity] = max(update.revision, areas.get(update.entity, 0))
        elif update.kind is UpdateKind.INDICATOR:
            derived.append(update)
            if update.datastreams:
                cohorts[place] = PastCohort(update.datastreams, update.phenomenon_time - HOUSEHOLD_WINDOW)
        else:
            told[place] = update.value, update.phenomenon_time, update.flags
    return StageSeed(
        stored.observations,
        stored.truncated,
        stored.aggregates,
        [WindowRepair(datastream, hour) for datastream, hour in stored.hours_to_repair],
        stored.state.revisions,
        areas,
        told,
        {one.datastream: value_key(one) for one in stored.state.datastreams},
        derived,
        cohorts,
        stored.alarms,
        stored.incidents,
    )


def value_key(observation: Observation) -> tuple[float, Instant, int]:
    """Return what tells the state of one datastream from another: value, phenomenon time and flags."""
    return observation.value, observation.phenomenon_time, observation.flags
