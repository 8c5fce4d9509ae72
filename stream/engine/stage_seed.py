"""The seed of the stages at the beginning of a log, made of the state that the database stores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from storage.stores.state_seed import StateSeed
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.alarms.rules.operand import OperandSeries
from twin.instant import INSTANT_MIN, Instant
from twin.model.names import AREA_PREFIX
from twin.model.observation import LastGoodValue, Observation
from twin.privacy.cohort import PastCohort
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.state.preceding_history import PrecedingHistory
from twin.state.window import Aggregate
from twin.wire.messages import Update, UpdateKind, WindowRepair

StoredValue: TypeAlias = tuple[float, Instant, int]
"""Value, phenomenon time and flags of a datastream."""

StoredProperty: TypeAlias = tuple[float, Instant, int, LastGoodValue | None]
"""Value, phenomenon time, flags, and the last good value where the value is suspect."""


class StageSeed(NamedTuple):
    """What the database stores when a log begins."""

    #: the newest of each datastream, as many as its state keeps, ascending by phenomenon time
    observations: list[Observation]
    truncated: frozenset[int]  #: datastreams with older observations than these
    aggregates: list[Aggregate]  #: the windows of ten minutes and of an hour that indicators use
    repairs: list[WindowRepair]  #: hours with closed windows of which no aggregate is stored
    revisions: dict[str, int]  #: entity → the last stored revision
    area_revisions: dict[str, int]  #: area → the last stored revision of its rolled-up values
    properties: Mapping[tuple[str, str], StoredProperty]  #: by entity and property
    datastreams: dict[int, StoredValue]  #: datastream → stored value, phenomenon time and flags
    derived: list[Update]  #: the last stored derived values of entities
    #: (entity, property) → the connections of the last published sum, and its window
    cohorts: dict[tuple[str, str], PastCohort]
    alarms: Sequence[AlarmEvent] = ()  #: the last stored event of each alarm
    incidents: Sequence[IncidentEvent] = ()  #: the last incident of each cause and area
    baselines: Mapping[OperandSeries, Baseline] = MappingProxyType({})  #: of the series that rules compare
    corrections: Sequence[AlarmCorrection] = ()  #: the states of rules by the stored points of their operands
    #: of truncated datastreams: summary of the observations before these
    preceding: Mapping[int, PrecedingHistory] = MappingProxyType({})
    #: of the same: the stored flags of the first `CONTEXT_MAX` of their observations
    context_flags: Mapping[int, Sequence[int]] = MappingProxyType({})

    @property
    def time(self) -> Instant:
        """The log time to begin with, until a record has one: the first may be of a repair.

        Windows are stored under the log time of the log before; what is emitted now must come after that.
        """
        received = max((one.received_time for one in self.observations), default=INSTANT_MIN)
        emitted = max((one.revision for one in self.aggregates), default=INSTANT_MIN)
        return max(received, emitted)


EMPTY_SEED = StageSeed([], frozenset(), [], [], {}, {}, {}, {}, [], {})
"""The seed from an empty database; must not be changed."""


def stage_seed_of(stored: StateSeed) -> StageSeed:
    """Return the stored state in the form from which the stages start."""
    area_revisions: dict[str, int] = {}
    properties: dict[tuple[str, str], StoredProperty] = {}
    cohorts: dict[tuple[str, str], PastCohort] = {}
    derived: list[Update] = []
    for update in stored.state.updates:
        key = update.entity, update.property
        if update.property.startswith(AREA_PREFIX):
            area_revisions[update.entity] = max(update.revision, area_revisions.get(update.entity, 0))
        elif update.kind is UpdateKind.INDICATOR:
            if math.isnan(update.value):
                continue  # it was withdrawn
            derived.append(update)
            if update.datastreams:
                cohorts[key] = PastCohort(update.datastreams, update.phenomenon_time - HOUSEHOLD_WINDOW)
        else:
            properties[key] = update.value, update.phenomenon_time, update.flags, update.last_good
    revisions = dict(stored.state.revisions)
    for (entity, name), revision in stored.state.amended.items():
        of_kind = area_revisions if name.startswith(AREA_PREFIX) else revisions
        of_kind[entity] = max(revision, of_kind.get(entity, 0))
    return StageSeed(
        stored.observations,
        stored.truncated,
        stored.aggregates,
        [WindowRepair(datastream, hour) for datastream, hour in stored.hours_to_repair],
        revisions,
        area_revisions,
        properties,
        {one.datastream: stored_value(one) for one in stored.state.datastreams},
        derived,
        cohorts,
        stored.alarms,
        stored.incidents,
        preceding=stored.preceding,
        context_flags=stored.context_flags,
    )


def stored_value(observation: Observation) -> StoredValue:
    """Return value, phenomenon time and flags of an observation."""
    return observation.value, observation.phenomenon_time, observation.flags
