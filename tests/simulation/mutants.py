"""Planted bugs: each breaks the system in one place while it is in force, for the simulation to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from stream.engine.buckets import CheckpointEntry, PartitionBuckets
from tests.simulation.system.model_database import ModelDatabase
from twin.instant import HOUR
from twin.model.observation import Observation
from twin.privacy import cohort
from twin.quality.neighbours import NeighbourResult, NeighbourState
from twin.state.datastream_state import DatastreamState, ObservationOutcome, ObservationResult
from twin.state.derived_state import DerivedState
from twin.state.open_windows import OpenWindows

Mutant = Callable[[pytest.MonkeyPatch], None]


def drop_one_late_observation(patch: pytest.MonkeyPatch) -> None:
    """The first observation that others have overtaken never reaches the state."""
    observe = DatastreamState.observe
    dropped = False

    def mutated(self: DatastreamState, observation: Observation, *rest: Any) -> ObservationResult:
        nonlocal dropped
        kept = self._kept
        if not dropped and kept and kept[0][1] < observation.phenomenon_time < kept[-1][1]:
            dropped = True
            return ObservationResult(ObservationOutcome.LATE, [])
        return observe(self, observation, *rest)

    patch.setattr(DatastreamState, "observe", mutated)


def count_a_duplicate_twice(patch: pytest.MonkeyPatch) -> None:
    """The ledger takes an observation that it knows for a new one."""
    receive = ModelDatabase._receive

    def mutated(self: ModelDatabase, arrived: Observation) -> None:
        known = self.observations.get(arrived[:2])
        receive(self, arrived)
        if known is not None and known[3:] == arrived[3:]:
            self.ledger.duplicate -= 1
            self.ledger.new += 1

    patch.setattr(ModelDatabase, "_receive", mutated)


def close_a_window_without_its_late_part(patch: pytest.MonkeyPatch) -> None:
    """What comes for a closed window does not have it told again."""
    touch = OpenWindows.mark_changed

    def mutated(self: OpenWindows, time: int, newest: int, sizes: Any) -> None:
        touch(self, time, newest, [size for size in sizes if size == HOUR])

    patch.setattr(OpenWindows, "touch", mutated)


def forget_a_bucket_of_a_checkpoint(patch: pytest.MonkeyPatch) -> None:
    """A bucket that changed is not written with the others."""
    entries = PartitionBuckets.checkpoint_entries

    def mutated(self: PartitionBuckets[Any]) -> Iterator[CheckpointEntry]:
        self._buckets[-1].dirty = False
        return entries(self)

    patch.setattr(PartitionBuckets, "entries", mutated)


def publish_a_cohort_of_nine(patch: pytest.MonkeyPatch) -> None:
    """Nine connections are enough."""
    patch.setattr(cohort, "CONNECTIONS_MIN", 9)


def never_withdraw_a_verdict(patch: pytest.MonkeyPatch) -> None:
    """Who was outvoted once stays so."""
    judge = NeighbourState.evaluate

    def mutated(self: NeighbourState, *given: Any) -> NeighbourResult:
        found = judge(self, *given)
        return found._replace(verdicts=[one for one in found.verdicts if one.deviates])

    patch.setattr(NeighbourState, "judge", mutated)


def ask_nobody_above(patch: pytest.MonkeyPatch) -> None:
    """An area in which too few speak passes nothing on."""
    patch.setattr(NeighbourState, "_pass_on", lambda *given: [])


def hide_that_an_input_failed(patch: pytest.MonkeyPatch) -> None:
    """An indicator keeps its last value as if nothing had happened."""
    patch.setattr(DerivedState, "_failure", lambda *given: None)


MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {
        one.__name__: one
        for one in (
            drop_one_late_observation,
            count_a_duplicate_twice,
            close_a_window_without_its_late_part,
            forget_a_bucket_of_a_checkpoint,
            publish_a_cohort_of_nine,
            never_withdraw_a_verdict,
            ask_nobody_above,
            hide_that_an_input_failed,
        )
    }
)
