"""Seeding: the state of entities at the beginning of a log, made again from what was stored. Pure."""

from __future__ import annotations

from stream.engine.stage import revision_base
from stream.engine.stage_seed import StageSeed, value_key
from stream.entities.entity_content import EntityContent
from twin.indicators.registry import REGISTRY
from twin.instant import Duration, Instant
from twin.model.city_model import CityModel
from twin.privacy.cohort import Cohort, PastCohort
from twin.privacy.household_sum import HouseholdSum
from twin.state.combination import PropertyState
from twin.state.datastream_state import DatastreamState
from twin.state.derived_state import indicator_value_from_storage, required_inputs
from twin.state.entity_state import property_update
from twin.wire.messages import Update


def seeded_entities(knowledge: StageSeed, model: CityModel, future_max: Duration) -> dict[str, EntityContent]:
    """Return every entity of which observations were stored, as they leave it.

    Their windows count as told; those that the stored observations do not fill are repaired when they are.
    """
    contents: dict[str, EntityContent] = {}
    for observation in knowledge.observations:
        datastream = model.datastreams.get(observation.datastream)
        if datastream is None:
            continue
        content = contents.setdefault(datastream.entity, EntityContent(model=model.version))
        content.state.datastreams.setdefault(datastream.id, DatastreamState()).observe(
            observation, model.policy_of(datastream), future_max
        )
    for entity, content in contents.items():
        content.state.revision = max(knowledge.revisions.get(entity, 0), revision_base(model))
        for id, state in content.state.datastreams.items():
            state.mark_emitted(model.policy_of(model.datastreams[id]), complete=id not in knowledge.truncated)
    _restore_windows(contents, knowledge, model)
    for update in knowledge.derived:
        if update.entity in contents and update.property in REGISTRY:
            last = indicator_value_from_storage(
                update.property, update.value, update.phenomenon_time, update.flags
            )
            contents[update.entity].derived.emitted[update.property] = last
    for (entity, property), past in knowledge.cohorts.items():
        if entity in contents:
            contents[entity].derived.households[property] = _household(past)
    return contents


def _restore_windows(contents: dict[str, EntityContent], knowledge: StageSeed, model: CityModel) -> None:
    wanted = {
        entity: required_inputs(
            {one.property for one in model.datastreams_of(entity)}, model.entities[entity].attributes
        )
        for entity in contents
        if entity in model.entities
    }
    for aggregate in knowledge.aggregates:
        datastream = model.datastreams.get(aggregate.datastream)
        if datastream is None or datastream.entity not in wanted or model.policy_of(datastream).personal:
            continue
        content = contents[datastream.entity]
        content.derived.on_window(datastream.property, aggregate, wanted[datastream.entity])


def _household(past: PastCohort) -> HouseholdSum:
    """Return what must be remembered of the last published sum: over whom, and when."""
    return HouseholdSum(Cohort.from_last_publication(past))


def unpublished_updates(
    entity: str, content: EntityContent, knowledge: StageSeed, model: CityModel
) -> list[Update]:
    """Return updates of the datastreams and properties whose state is not what was last stored of them.

    Each raises the revision. The historian may have stored an observation, and not yet the update that
    followed from it, when the log that held the update was lost.
    """
    updates: list[Update] = []
    told: set[str] = set()
    for id, one in sorted(content.state.datastreams.items()):
        property = model.datastreams[id].property
        personal = model.policy_of(model.datastreams[id]).personal
        state = None if personal else content.state.property_state(property, model)
        known = state is None or property in told or _is_stored(state, knowledge.told.get((entity, property)))
        if known and knowledge.states.get(id) == value_key(one.newest):
            continue
        told.add(property)
        content.state.revision += 1
        updates.append(property_update(entity, property, content.state.revision, state, one.newest))
    return updates


def _is_stored(state: PropertyState, told: tuple[float, Instant, int] | None) -> bool:
    return told == (state.value, state.phenomenon_time, state.flags)
