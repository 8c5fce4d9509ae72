"""Planted bugs that the simulation must find; each breaks one place of the system while it is patched in.

Methods are patched by the name of the function that is replaced, so that a renamed method is noticed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from ingest.formats import source_quality
from storage.maintenance import series_repair
from storage.stores.state_seed import StateSeed
from stream.alarms import entity_alarms
from stream.alarms.entity_alarms import is_about
from stream.engine.buckets import CheckpointEntry, PartitionBuckets
from stream.entities import roll_ups
from stream.entities.roll_ups import RollUp, is_filling
from tests.simulation.system import model_alarm_repair, model_area_repair, model_database, model_repair
from tests.simulation.system.model_database import ModelDatabase
from tests.simulation.system.model_repair import recompute_properties
from tests.simulation.system.simulated_log import SimulatedLog
from twin.alarms import alarm
from twin.alarms.alarm import Alarm
from twin.alarms.evaluation import explanation
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.evaluation.condition_state import ConditionState
from twin.alarms.state_machine import AlarmStatus, TransitionRefused, next_status
from twin.instant import HOUR, Instant
from twin.model.city_model import CityModel
from twin.model.names import coverage_min_of, kept_window
from twin.model.observation import Observation, order_of_knowledge
from twin.privacy import cohort
from twin.quality import quality_check
from twin.quality.level_shift import is_level
from twin.quality.neighbours import NeighbourResult, NeighbourState
from twin.quality.stuck_runs import mark_stuck_runs
from twin.quality.valid_when import ValidWhen
from twin.state import area_state, datastream_state, derived_points
from twin.state.area_members import areas_around
from twin.state.datastream_state import DatastreamState, ObservationOutcome, ObservationResult
from twin.state.derived_state import DerivedState, DerivedValue
from twin.state.open_windows import OpenWindows

Mutant = Callable[[pytest.MonkeyPatch], None]


def drop_one_late_observation(patch: pytest.MonkeyPatch) -> None:
    """Drop the first observation that is older than one already received."""
    observe = DatastreamState.observe
    dropped = False

    def mutated(self: DatastreamState, observation: Observation, *rest: Any) -> ObservationResult:
        nonlocal dropped
        recent = self._recent
        if not dropped and recent and recent[0][1] < observation.phenomenon_time < recent[-1][1]:
            dropped = True
            return ObservationResult(ObservationOutcome.LATE, [])
        return observe(self, observation, *rest)

    patch.setattr(DatastreamState, observe.__name__, mutated)


def count_a_duplicate_twice(patch: pytest.MonkeyPatch) -> None:
    """Count a duplicate in the ledger as a new observation."""
    receive = ModelDatabase._receive

    def mutated(self: ModelDatabase, arrived: Observation) -> None:
        known = self.observations.get(arrived[:2])
        receive(self, arrived)
        if known is not None and known[3:] == arrived[3:]:
            self.ledger.duplicate -= 1
            self.ledger.new += 1

    patch.setattr(ModelDatabase, receive.__name__, mutated)


def close_a_window_without_its_late_part(patch: pytest.MonkeyPatch) -> None:
    """Publish a closed window no second time when a late observation changes it."""
    mark_changed = OpenWindows.mark_changed

    def mutated(self: OpenWindows, time: int, newest: int, sizes: Any) -> None:
        mark_changed(self, time, newest, [size for size in sizes if size == HOUR])

    patch.setattr(OpenWindows, mark_changed.__name__, mutated)


def forget_a_bucket_of_a_checkpoint(patch: pytest.MonkeyPatch) -> None:
    """Leave a changed bucket out of the checkpoint."""
    checkpoint_entries = PartitionBuckets.checkpoint_entries

    def mutated(self: PartitionBuckets[Any]) -> Iterator[CheckpointEntry]:
        self._buckets[-1].dirty = False
        return checkpoint_entries(self)

    patch.setattr(PartitionBuckets, checkpoint_entries.__name__, mutated)


def publish_a_cohort_of_nine(patch: pytest.MonkeyPatch) -> None:
    """Publish sums of nine connections."""
    patch.setattr(cohort, "CONNECTIONS_MIN", 9)


def never_withdraw_a_verdict(patch: pytest.MonkeyPatch) -> None:
    """Keep a value marked as disagreeing with its neighbours for ever."""
    compare = NeighbourState.compare

    def mutated(self: NeighbourState, *arguments: Any, is_newest: bool) -> NeighbourResult:
        result = compare(self, *arguments, is_newest=is_newest)
        return result._replace(verdicts=[one for one in result.verdicts if one.deviates])

    patch.setattr(NeighbourState, compare.__name__, mutated)


def ask_nobody_above(patch: pytest.MonkeyPatch) -> None:
    """Pass no values to the parent area where an area has too few of its own."""
    patch.setattr(NeighbourState, NeighbourState._forward.__name__, lambda *arguments: [])


def hide_that_an_input_failed(patch: pytest.MonkeyPatch) -> None:
    """Keep an indicator's last value although its input has failed."""
    patch.setattr(DerivedState, DerivedState._failure.__name__, lambda *arguments: None)


# --- the order of knowledge, and what alarms say ---


def let_the_greater_value_win(patch: pytest.MonkeyPatch) -> None:
    """Of two values of one key keep the greater, in stream and database, whichever became known later."""

    def by_value(observation: Observation) -> tuple[float, int]:
        return observation.value, observation.received_time

    patch.setattr(datastream_state, order_of_knowledge.__name__, by_value)
    patch.setattr(model_database, order_of_knowledge.__name__, by_value)


def say_that_an_eased_value_is_at_its_limit(patch: pytest.MonkeyPatch) -> None:
    """Leave out that the value is not yet at the limit, when a severity eases within its deadband."""
    for phrases in explanation._PHRASES.values():
        patch.setitem(phrases, "not yet", "{limit}")


def forget_the_acknowledgement_of_a_shelved_alarm(patch: pytest.MonkeyPatch) -> None:
    """Leave an acknowledged alarm unacknowledged when its shelving ends."""

    def mutated(*arguments: Any, **options: Any) -> AlarmStatus | TransitionRefused:
        return next_status(*arguments, **{**options, "acknowledged": False})

    patch.setattr(alarm, next_status.__name__, mutated)


# --- verdicts ---


def flag_each_value_after_a_level_shift(patch: pytest.MonkeyPatch) -> None:
    """Take a level that the following values confirm as a series of spikes."""
    patch.setattr(quality_check, is_level.__name__, lambda *arguments: False)


def leave_the_beginning_of_a_stuck_run_good(patch: pytest.MonkeyPatch) -> None:
    """Flag a stuck run only from its last values on, in the stream."""
    patch.setattr(datastream_state, mark_stuck_runs.__name__, lambda *arguments: None)


def aggregate_repaired_hours_without_judging_them(patch: pytest.MonkeyPatch) -> None:
    """Compute the windows of repaired hours again, and leave the verdicts on their values."""
    recompute = model_repair.recompute

    def mutated(database: ModelDatabase, *arguments: Any) -> None:
        judged = database.assessments.copy()
        recompute(database, *arguments)
        database.assessments = judged

    patch.setattr(model_repair, recompute.__name__, mutated)


def judge_only_new_values_by_a_changed_rule(patch: pytest.MonkeyPatch) -> None:
    """Leave stored values as they are when the quality rules of their property change."""
    patch.setattr(model_repair, recompute_properties.__name__, lambda *arguments: None)


def seed_only_the_last_observations(patch: pytest.MonkeyPatch) -> None:
    """Begin a log with the newest observations of each datastream, and nothing of the run before them."""
    state_seed = ModelDatabase.state_seed

    def mutated(self: ModelDatabase, model: CityModel) -> StateSeed:
        return replace(state_seed(self, model), preceding={})

    patch.setattr(ModelDatabase, state_seed.__name__, mutated)


def judge_the_context_of_a_new_log_alone(patch: pytest.MonkeyPatch) -> None:
    """Judge the first observations of a new log without those before them, whatever is stored of them."""
    state_seed = ModelDatabase.state_seed

    def mutated(self: ModelDatabase, model: CityModel) -> StateSeed:
        return replace(state_seed(self, model), context_flags={})

    patch.setattr(ModelDatabase, state_seed.__name__, mutated)


# --- alarms whose past has changed ---


def take_over_a_correction_without_the_last_event(patch: pytest.MonkeyPatch) -> None:
    """Take over what storage says of an occurrence although it lacks the last event of the alarm."""

    def mutated(correction: AlarmCorrection, alarm: Alarm) -> bool:
        return (correction.occurrence, correction.raised_time) == (alarm.occurrence, alarm.raised_time)

    patch.setattr(entity_alarms, is_about.__name__, mutated)


def repair_alarms_by_events_that_came_since(patch: pytest.MonkeyPatch) -> None:
    """Compare the past of an alarm also with events that follow from values which are not stored yet."""
    patch.setattr(ModelDatabase, ModelDatabase.last_alarm_revision.__name__, lambda *_: 1 << 62)


def take_points_for_unstored_although_storage_has_changed_some(patch: pytest.MonkeyPatch) -> None:
    """Keep all points that came after a request, also when its repair follows a change in storage."""
    send = model_alarm_repair.send_correction

    def mutated(log: SimulatedLog, correction: AlarmCorrection) -> None:
        send(log, correction._replace(has_changes=False))

    patch.setattr(model_alarm_repair, send.__name__, mutated)


def settle_for_points_whose_verdicts_storage_lacks(patch: pytest.MonkeyPatch) -> None:
    """Take over from storage what the stage has settled since, by points that are not judged there yet."""

    def mutated(self: ConditionState, other: ConditionState) -> bool:
        return other.newest_time < self.horizon != self.repaired_to

    patch.setattr(ConditionState, ConditionState.is_newer_than.__name__, mutated)


def keep_states_whose_points_were_computed_again(patch: pytest.MonkeyPatch) -> None:
    """Tell no area that storage has another value of its newest point."""
    patch.setattr(model_area_repair, "_is_same", lambda *_: True)


# --- derived values, and what sources say ---


def sample_derived_values_by_log_time(patch: pytest.MonkeyPatch) -> None:
    """Emit only the newest point of each series, as if it were sampled now and then."""
    derive = DerivedState.derive

    def mutated(self: DerivedState, *arguments: Any) -> list[DerivedValue]:
        return [one for one in derive(self, *arguments) if not one.amends]

    patch.setattr(DerivedState, derive.__name__, mutated)


def use_ten_minutes_of_slow_meters(patch: pytest.MonkeyPatch) -> None:
    """Compute indicators from windows of ten minutes, also of sensors that keep none."""
    patch.setattr(derived_points, kept_window.__name__, lambda wanted, interval: wanted)


def call_an_area_good_with_few_members(patch: pytest.MonkeyPatch) -> None:
    """Leave out that the value of an area is of too few of its members."""
    patch.setattr(area_state, coverage_min_of.__name__, lambda *arguments: 0.0)


def repair_areas_from_what_happens_to_be_stored(patch: pytest.MonkeyPatch) -> None:
    """Do not wait until the values of entities are stored that an area was requested for."""
    patch.setattr(ModelDatabase, ModelDatabase.store_until.__name__, lambda *arguments: None)


def repair_values_of_areas_that_came_since(patch: pytest.MonkeyPatch) -> None:
    """Compute also those values of areas again that were stored while the repair waited."""
    patch.setattr(
        ModelDatabase, ModelDatabase.last_revisions.__name__, lambda *_: defaultdict(lambda: 1 << 62)
    )


def tell_changed_points_to_the_own_area_alone(patch: pytest.MonkeyPatch) -> None:
    """Tell changed points only where the entity's own area may keep them, and not one around it."""
    patch.setattr(series_repair, areas_around.__name__, lambda entity, model: areas_around(entity, model)[:1])


def roll_up_a_backlog_by_the_first_sensor_alone(patch: pytest.MonkeyPatch) -> None:
    """Send the values of an entity before they are forgotten only if its first sensor has a backlog."""

    def mutated(roll_up: RollUp, states: Mapping[int, DatastreamState], since: Instant) -> bool:
        return is_filling(roll_up._replace(datastreams=roll_up.datastreams[:1]), states, since)

    patch.setattr(roll_ups, is_filling.__name__, mutated)


def drop_the_doubts_of_a_source(patch: pytest.MonkeyPatch) -> None:
    """Take values that their source calls doubtful as good."""
    patch.setattr(source_quality, "QUALITY_WORDS", {**source_quality.QUALITY_WORDS, "doubtful": 0})


def ignore_that_another_field_makes_values_invalid(patch: pytest.MonkeyPatch) -> None:
    """Take values as valid, whatever another field of their message says."""
    patch.setattr(ValidWhen, ValidWhen.holds.__name__, lambda *arguments: True)


MUTANTS: Mapping[str, Mutant] = MappingProxyType(
    {
        mutant.__name__: mutant
        for mutant in (
            drop_one_late_observation,
            count_a_duplicate_twice,
            close_a_window_without_its_late_part,
            forget_a_bucket_of_a_checkpoint,
            publish_a_cohort_of_nine,
            never_withdraw_a_verdict,
            ask_nobody_above,
            hide_that_an_input_failed,
            let_the_greater_value_win,
            say_that_an_eased_value_is_at_its_limit,
            forget_the_acknowledgement_of_a_shelved_alarm,
            flag_each_value_after_a_level_shift,
            leave_the_beginning_of_a_stuck_run_good,
            aggregate_repaired_hours_without_judging_them,
            judge_only_new_values_by_a_changed_rule,
            seed_only_the_last_observations,
            judge_the_context_of_a_new_log_alone,
            take_over_a_correction_without_the_last_event,
            repair_alarms_by_events_that_came_since,
            take_points_for_unstored_although_storage_has_changed_some,
            settle_for_points_whose_verdicts_storage_lacks,
            keep_states_whose_points_were_computed_again,
            sample_derived_values_by_log_time,
            use_ten_minutes_of_slow_meters,
            call_an_area_good_with_few_members,
            repair_areas_from_what_happens_to_be_stored,
            repair_values_of_areas_that_came_since,
            tell_changed_points_to_the_own_area_alone,
            roll_up_a_backlog_by_the_first_sensor_alone,
            drop_the_doubts_of_a_source,
            ignore_that_another_field_makes_values_invalid,
        )
    }
)

PARTS_NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        judge_only_new_values_by_a_changed_rule.__name__: ("new_rules",),
    }
)
"""The parts that a scenario must have beside the usual ones, for a planted bug to do something."""

FIRST_SEEDS: Mapping[str, int] = MappingProxyType(
    {
        repair_areas_from_what_happens_to_be_stored.__name__: 960,
        repair_values_of_areas_that_came_since.__name__: 3400,
        take_over_a_correction_without_the_last_event.__name__: 112093,
        judge_the_context_of_a_new_log_alone.__name__: 40202,
        repair_alarms_by_events_that_came_since.__name__: 103119,
        tell_changed_points_to_the_own_area_alone.__name__: 111472,
        take_points_for_unstored_although_storage_has_changed_some.__name__: 105682,
        roll_up_a_backlog_by_the_first_sensor_alone.__name__: 108048,
        settle_for_points_whose_verdicts_storage_lacks.__name__: 120946,
        keep_states_whose_points_were_computed_again.__name__: 140210,
    }
)
"""Where a planted bug is rarely seen: a seed from which it is seen soon."""
