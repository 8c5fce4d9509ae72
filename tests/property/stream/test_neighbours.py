"""The laws of neighbours: the same values lead to the same verdicts in any order of arrival."""

from __future__ import annotations

import math
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.pipelines.neighbour_pipeline import AREA_PROPERTY, THERMOMETERS, NeighbourPipeline
from twin.instant import MINUTE, Instant
from twin.model.observation import Observation
from twin.state.combination import outlier_places
from twin.wire.messages import Update, UpdateKind

temperatures = st.sampled_from([18.0, 20.0, 21.5, 27.0, 29.0, 35.0, -3.0])
reports = st.lists(
    st.builds(
        lambda id, minute, value: Observation(id, minute * MINUTE, minute * MINUTE, value, 0),
        st.integers(1, len(THERMOMETERS)),
        st.integers(1, 4),
        temperatures,
    ),
    max_size=20,
    unique_by=lambda one: one[:2],
)


def ended(arrivals: list[Observation], size: int = 3) -> dict[str, Any]:
    """Return the last updates of thermometers and the series of areas, for this order of arrival."""
    stages = NeighbourPipeline(time=20 * MINUTE)
    for begin in range(0, len(arrivals), size):
        stages.time += MINUTE
        stages.observe(arrivals[begin : begin + size])
    found: dict[str, Any] = {"suspect": stages.suspect_entities()}
    points: dict[tuple[str, Instant], Update] = {}
    for update in stages.updates:
        if update.property == AREA_PROPERTY:
            if update.kind is UpdateKind.INDICATOR:
                found[update.entity] = update.value, update.flags, update.count, update.deviating
                if math.isnan(update.value):
                    del found[update.entity]  # withdrawn
            if update.last_good is None:
                points[update.entity, update.phenomenon_time] = update
        else:
            found[update.entity] = update.value, update.flags, update.phenomenon_time
    found["series"] = {
        key: (one.value, one.flags, one.members, one.deviating)
        for key, one in points.items()
        if not math.isnan(one.value)
    }
    return found


@given(reports, st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_of_arrival_leads_to_the_same_verdicts(
    arrivals: list[Observation], dice: random.Random, size: int
) -> None:
    shuffled = list(arrivals)
    dice.shuffle(shuffled)
    assert ended(shuffled, size) == ended(arrivals)


@given(reports, st.data())
def test_repeated_observations_change_no_verdict(arrivals: list[Observation], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(arrivals), max_size=5)) if arrivals else []
    assert ended([*arrivals, *again]) == ended(arrivals)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(0, 50))
def test_never_half_or_more_are_outvoted_and_none_that_is_near_the_middle(
    values: list[float], limit: float
) -> None:
    found = outlier_places(values, limit)
    assert 2 * len(found) < len(values)
    lowest, highest = min(values), max(values)
    if highest - lowest <= limit:
        assert found == ()
