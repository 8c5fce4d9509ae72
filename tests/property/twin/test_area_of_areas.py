"""The law of areas of areas: an area rolls up its entities, however many areas lie between.

The series of an area follows from the set of inputs: neither their order, nor how they are divided over
records, nor the areas in between change a point of it.
"""

from __future__ import annotations

import math
import random
from collections import deque
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cities.city_builder import CityBuilder
from twin.instant import MINUTE, Instant
from twin.model.city_model import CityModel
from twin.quality.quality_flags import QualityFlag
from twin.state.area_members import area_of
from twin.state.area_state import AreaState, AreaValue, last_slot
from twin.wire.messages import AreaInput

NAMES = ("pm2_5", "noise_level", "power_import")
"""A mean, a maximum and a sum."""

SENSORS = 6
STUCK = int(QualityFlag.STUCK)
INCOMPLETE = int(QualityFlag.INCOMPLETE)


class Spoken(NamedTuple):
    """What a sensor says about a minute."""

    sensor: int
    minute: int
    value: float | None
    intervals: int  #: how long it is live


spoken = st.lists(
    st.builds(
        Spoken,
        st.integers(0, SENSORS - 1),
        st.integers(0, 11),
        st.none() | st.sampled_from([1.0, 2.0, 5.5, 10.0, -3.25]),
        st.integers(0, 3),
    ),
    max_size=24,
    unique_by=lambda one: one[:2],
)
parents = st.lists(st.integers(-1, 4), min_size=5, max_size=5)
"""The parent of each area, -1 for the town; a later area may lie in an earlier one only."""

places = st.lists(st.integers(-1, 4), min_size=SENSORS, max_size=SENSORS)
"""The area of each sensor."""


def nested_city(parents: list[int], places: list[int]) -> CityModel:
    """Return a town with areas in areas, and one sensor on each entity."""
    builder = CityBuilder().entity("town", "Municipality")
    ids: list[str] = []
    for number, parent in enumerate(parents):
        ids.append(f"area{number}")
        builder.entity(ids[-1], "District", parent="town" if parent < 0 or parent >= number else ids[parent])
    for number, place in enumerate(places):
        entity = f"post{number}"
        builder.entity(entity, "Street", parent="town" if place < 0 else ids[place])
        builder.sensor(f"s{number}", entity, *NAMES)
    return builder.model()


cities = st.builds(nested_city, parents, places)


def series_of_town(
    model: CityModel, name: str, told: list[Spoken], size: int
) -> dict[Instant, tuple[float, int, int, int]]:
    """Return the series of the town for inputs in this order, `size` of them at once."""
    states = {area: AreaState() for area in model.entities}
    points: dict[Instant, AreaValue] = {}
    suspect = {one.minute for one in told if one.value is None}
    now = 0
    for begin in range(0, len(told), size):
        now += 1
        waiting = deque(_area_input(one, name, model) for one in told[begin : begin + size])
        while waiting:
            input = waiting.popleft()
            now += 1
            changes = states[input.area].apply(input.area, [input], model, now)
            waiting += changes.inputs
            if input.area == "town":
                points.update((one.phenomenon_time, one) for one in changes.values if one.last_good is None)
            # Storage is asked about a state that is withdrawn, which may be an earlier point again.
            assert {one.start // MINUTE for one in changes.repairs} <= suspect
    return {
        time: (round(one.value, 9), one.flags, one.weight, one.members)
        for time, one in points.items()
        if not math.isnan(one.value)
    }


def _area_input(one: Spoken, name: str, model: CityModel) -> AreaInput:
    entity, slot = f"post{one.sensor}", one.minute * MINUTE
    area = area_of(entity, model)
    assert area is not None
    last = last_slot(slot, MINUTE, one.intervals * MINUTE)
    flags = STUCK if one.value is None else 0
    return AreaInput(area, entity, name, one.value, slot + 1, flags, 1, last, slot, slot)


def expected_series(name: str, told: list[Spoken]) -> dict[Instant, tuple[float, int, int, int]]:
    """Return the series, computed slot by slot from all that was said."""
    series = {}
    for minute in {one.minute for one in told}:
        values = []
        for sensor in range(SENSORS):
            until = [one for one in told if one.sensor == sensor and one.minute <= minute]
            if until:
                newest = max(until, key=lambda one: one.minute)
                is_valid = minute - newest.minute <= max(1, newest.intervals)
                if newest.value is not None and is_valid:
                    values.append(newest.value)
        if values:
            value = {
                "pm2_5": math.fsum(values) / len(values),
                "noise_level": max(values),
                "power_import": math.fsum(values),
            }[name]
            share = 0.75 if name == "power_import" else 0.5
            flags = INCOMPLETE if len(values) < share * SENSORS else 0
            series[minute * MINUTE] = round(value, 9), flags, len(values), len(values)
    return series


@pytest.mark.parametrize("name", NAMES)
@given(spoken, cities, st.randoms(use_true_random=False), st.integers(1, 8))
def test_an_area_is_the_roll_up_of_its_entities_however_they_are_distributed_over_areas(
    name: str, told: list[Spoken], model: CityModel, dice: random.Random, size: int
) -> None:
    arrivals = list(told)
    dice.shuffle(arrivals)
    assert series_of_town(model, name, arrivals, size) == expected_series(name, told)


@given(spoken, cities, st.data())
def test_a_later_input_of_a_slot_replaces_the_earlier_one_everywhere(
    told: list[Spoken], model: CityModel, data: st.DataObject
) -> None:
    wrong = [
        one._replace(value=data.draw(st.none() | st.sampled_from([7.0, 9.0])), intervals=3)
        for one in told
        if data.draw(st.booleans())
    ]
    assert series_of_town(model, "pm2_5", [*wrong, *told], 3) == expected_series("pm2_5", told)
