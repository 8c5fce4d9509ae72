"""The state of entities at the beginning of a log, rebuilt from what the database stores. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from stream.engine.stage import revision_base
from stream.engine.stage_seed import StageSeed, StoredProperty, stored_value
from stream.entities.entity_content import EntityContent
from twin.indicators.registry import REGISTRY
from twin.instant import INSTANT_MIN, Duration
from twin.model.city_model import CityModel
from twin.privacy.cohort import Cohort
from twin.privacy.household_sum import HouseholdSum
from twin.quality.quality_flags import UNUSABLE_FLAGS
from twin.state.combination import PropertyState
from twin.state.datastream_state import DatastreamState
from twin.state.derived_points import derived_interval, entity_inputs
from twin.state.derived_state import indicator_value_from_storage
from twin.state.entity_state import property_update
from twin.state.property_series import property_values
from twin.state.window_history import NewestWindow
from twin.wire.messages import Update

RuleWindows = Callable[[str], Iterable[tuple[str, Duration]]]
"""Returns the windows of an entity that rules use, by property and size."""


def seeded_entities(
    seed: StageSeed, model: CityModel, future_max: Duration, rule_windows: RuleWindows
) -> dict[str, EntityContent]:
    """Return the content of every entity with stored observations, after these observations.

    Their windows count as emitted. Windows that the stored observations do not fill are repaired when they
    get another observation.
    """
    contents: dict[str, EntityContent] = {}
    context_flags = dict(seed.context_flags)
    for observation in seed.observations:
        datastream = model.datastreams.get(observation.datastream)
        if datastream is None:
            continue
        content = contents.setdefault(datastream.entity, EntityContent(model=model.version))
        state = content.state.datastreams.get(datastream.id)
        if state is None:
            preceding = seed.preceding.get(datastream.id)
            state = DatastreamState(replace(preceding) if preceding is not None else None)
            content.state.datastreams[datastream.id] = state
        policy = model.policy_of(datastream)
        state.observe(observation, policy, future_max)
        if state.is_full and datastream.id in context_flags:
            state.set_folded_flags(context_flags.pop(datastream.id), policy)
    for entity, content in contents.items():
        content.state.revision = max(seed.revisions.get(entity, 0), revision_base(model))
        for id, state in content.state.datastreams.items():
            state.mark_emitted(model.policy_of(model.datastreams[id]), complete=id not in seed.truncated)
    for update in seed.derived:
        if update.entity in contents and update.property in REGISTRY:
            interval = derived_interval(update.property, update.entity, model)
            last = indicator_value_from_storage(update, interval)
            contents[update.entity].derived.emitted[update.property] = last
    _restore_inputs(contents, seed, model, rule_windows)
    for (entity, property), past in seed.cohorts.items():
        if entity in contents:
            household = HouseholdSum(Cohort.from_last_publication(past))
            contents[entity].derived.households[property] = household
    return contents


def _restore_inputs(
    contents: dict[str, EntityContent], seed: StageSeed, model: CityModel, rule_windows: RuleWindows
) -> None:
    """Restore the inputs of derived values and of rules: windows from storage, single values from the
    observations.
    """
    required = {
        entity: entity_inputs(entity, model, rule_windows(entity))
        for entity in contents
        if entity in model.entities
    }
    sources = {
        id: one
        for id, one in model.datastreams.items()
        if one.entity in required and not model.policy_of(one).personal
    }
    for aggregate in seed.aggregates:
        if (source := sources.get(aggregate.datastream)) is not None:
            derived = contents[source.entity].derived
            derived.on_window(source.property, aggregate, required[source.entity])
    for id, hour in seed.repairs:
        if (source := sources.get(id)) is not None:
            derived = contents[source.entity].derived
            derived.note_missing_windows(source.property, id, hour, required[source.entity])
    for entity, inputs in required.items():
        derived, state = contents[entity].derived, contents[entity].state
        for property in inputs.instants:
            newest = state.property_state(property, model)
            if newest is not None:
                series = state.observed_series(property, model)
                begins = [
                    found[0].phenomenon_time for id, (found, _) in series.items() if id in seed.truncated
                ]
                complete_from = max((state.complete_from(property, model), *begins))
                values = property_values(model.properties[property], series, complete_from)
                derived.set_values(property, INSTANT_MIN, values)
                if complete_from > INSTANT_MIN:
                    derived.values_from[property] = complete_from
                derived.newest[property] = NewestWindow(newest.phenomenon_time, newest.flags & UNUSABLE_FLAGS)
        derived.resume(inputs)


def unpublished_updates(
    entity: str, content: EntityContent, seed: StageSeed, model: CityModel
) -> list[Update]:
    """Return updates of the datastreams and properties whose state differs from the stored one.

    Each update raises the revision. The historian may have stored an observation but not the update that
    followed from it, when the log with the update was lost; and an observation that came too late for memory
    may be the last good value.
    """
    updates: list[Update] = []
    updated: set[str] = set()
    for id, datastream_state in sorted(content.state.datastreams.items()):
        property, newest = model.datastreams[id].property, datastream_state.newest
        is_personal = model.policy_of(model.datastreams[id]).personal
        state = None if is_personal else content.state.property_state(property, model)
        is_stored = (
            state is None or property in updated or _value(state) == seed.properties.get((entity, property))
        )
        if is_stored and seed.datastreams.get(id) == stored_value(newest):
            continue
        updated.add(property)
        content.state.revision += 1
        updates.append(property_update(entity, property, content.state.revision, state, newest))
    return updates


def _value(state: PropertyState) -> StoredProperty:
    return state.value, state.phenomenon_time, state.flags, state.last_good
