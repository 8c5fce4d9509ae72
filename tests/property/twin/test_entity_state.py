"""The laws of an entity's state: what holds for every set of observations in every order."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.cities.small_cities import small_city
from tests.support.strategies import observations
from twin.instant import MINUTE
from twin.model.observation import Observation
from twin.quality.quality_flags import is_usable
from twin.state.combination import CombinationInput, combine
from twin.state.datastream_state import ObservationOutcome
from twin.state.entity_state import EntityState

FUTURE_MAX = 5 * MINUTE
MODEL = small_city()
NOISE = MODEL.properties["noise_level"]


def final_states(arrivals: list[Observation]) -> dict[str, Any]:
    """Return the state of each entity after the observations arrived in this order."""
    entities: dict[str, EntityState] = {}
    for observation in arrivals:
        entity = MODEL.datastreams[observation.datastream].entity
        entities.setdefault(entity, EntityState()).observe(observation, MODEL, FUTURE_MAX)
    return {
        name: (
            {id: (one.newest, one.last_good) for id, one in state.datastreams.items()},
            [state.property_state(one, MODEL) for one in ("noise_level", "water_level")],
        )
        for name, state in entities.items()
        if state.datastreams
    }


@given(st.lists(observations, max_size=40), st.randoms(use_true_random=False))
def test_any_order_of_arrival_ends_in_the_same_state(
    arrivals: list[Observation], dice: random.Random
) -> None:
    shuffled = list(arrivals)
    dice.shuffle(shuffled)
    assert final_states(shuffled) == final_states(arrivals)


@given(st.lists(observations, max_size=30), st.data())
def test_a_repeated_observation_changes_nothing(arrivals: list[Observation], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(arrivals), max_size=10)) if arrivals else []
    assert final_states([*arrivals, *again]) == final_states(arrivals)


@given(st.lists(observations.map(lambda o: o._replace(datastream=1)), min_size=1, max_size=30))
def test_the_state_is_the_greatest_plausible_observation(arrivals: list[Observation]) -> None:
    plausible = [o for o in arrivals if o.phenomenon_time - o.received_time <= FUTURE_MAX]
    state = EntityState()
    for observation in arrivals:
        state.observe(observation, MODEL, FUTURE_MAX)
    if not plausible:
        assert not state.datastreams
        return
    expected = max(plausible, key=lambda o: (o.phenomenon_time, o.received_time, o.rank, o.value, o.flags))
    newest = state.datastreams[1].newest
    assert newest[:4] == expected[:4]
    assert newest.flags & expected.flags == expected.flags


@given(st.lists(observations, max_size=40))
def test_each_observation_has_one_outcome_and_each_update_one_revision(arrivals: list[Observation]) -> None:
    entities: dict[str, EntityState] = {}
    outcomes: Counter[ObservationOutcome] = Counter()
    revisions: dict[str, list[int]] = {}
    for observation in arrivals:
        entity = MODEL.datastreams[observation.datastream].entity
        state = entities.setdefault(entity, EntityState())
        outcome, _, update, _ = state.observe(observation, MODEL, FUTURE_MAX)
        outcomes[outcome] += 1
        if outcome is ObservationOutcome.ACCEPTED:
            assert update is not None
        if outcome in {ObservationOutcome.SUPERSEDED, ObservationOutcome.FUTURE}:
            assert update is None
        if update is not None:
            revisions.setdefault(update.entity, []).append(update.revision)
    assert outcomes.total() == len(arrivals)
    for numbers in revisions.values():
        assert numbers == list(range(1, len(numbers) + 1))


@given(st.lists(observations, min_size=1, max_size=12))
def test_a_combination_is_within_its_parts_and_independent_of_their_order(
    arrivals: list[Observation],
) -> None:
    newest = {o.datastream: o for o in arrivals}
    parts = [CombinationInput(o, None, MINUTE) for o in newest.values()]
    one, other = combine(NOISE, parts), combine(NOISE, parts[::-1])
    assert one == other
    values = [o.value for o in newest.values() if o.datastream in one.datastreams]
    assert min(values) <= one.value <= max(values)


@given(st.lists(observations, min_size=1, max_size=12))
def test_a_suspect_value_is_used_only_without_a_good_one(arrivals: list[Observation]) -> None:
    newest = {o.datastream: o for o in arrivals}
    state = combine(NOISE, [CombinationInput(o, None, MINUTE) for o in newest.values()])
    used = [newest[one] for one in state.datastreams]
    if is_usable(state.flags):
        assert all(is_usable(one.flags) for one in used)
    else:
        assert len(used) == 1
