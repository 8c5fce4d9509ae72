"""The series of areas, computed from all stored inputs at once, by the code of the stream. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.quality.neighbours import OUTVOTED_ABOVE
from twin.state.area_members import area_of, expected_members
from twin.state.area_state import AreaState, AreaValue, point_of
from twin.state.slot_inputs import counting
from twin.wire.messages import AreaInput


def area_states(name: str, inputs: Iterable[AreaInput], model: CityModel) -> dict[str, AreaState]:
    """Return the state of every area that has a name, with all slots, from the inputs of entities.

    Parents follow after the areas in them. Where neighbours are compared, an area sends back what it has
    outvoted, until nothing changes any more.
    """
    waiting: defaultdict[str, list[AreaInput]] = defaultdict(list)
    for input in inputs:
        if input.area in model.entities:
            waiting[input.area].append(input)
    states: defaultdict[str, AreaState] = defaultdict(lambda: AreaState(keeps_all=True))
    depths = {area: _depth(area, model) for area in model.entities}
    revision = 0
    while waiting:
        area = max(waiting, key=lambda one: (depths[one], one))
        revision += 1
        changes = states[area].apply(area, waiting.pop(area), model, revision)
        for input in changes.inputs:
            waiting[input.area].append(input)
    return dict(states)


def area_points(
    name: str, states: Mapping[str, AreaState], model: CityModel
) -> dict[str, dict[Instant, AreaValue]]:
    """Return the points of a name in every area by phenomenon time."""
    found: dict[str, dict[Instant, AreaValue]] = {}
    for area, state in states.items():
        series, expected = state.series[name], expected_members(area, name, model)
        points = (point_of(name, slot, series, expected, model) for slot in series.results)
        found[area] = {one.phenomenon_time: one for one in points if one.value == one.value}
    return found


def votes_from_above(
    area: str, slot: Instant, name: str, states: Mapping[str, AreaState], model: CityModel
) -> list[AreaInput]:
    """Return which entities of an area each area above it has outvoted in a slot, and which it has not.

    They are addressed to the areas above, which pass on those of slots that they do not keep.
    """
    state = states.get(area)
    if state is None:
        return []
    series = state.series[name]
    votes: list[AreaInput] = []
    above = model.entities[area].parent
    while above is not None and above in model.entities:
        told = series.comparison().above.get(above)
        outvoted = told.at(slot) if told is not None else {}
        for source, _ in counting(series.inputs.at(slot), slot):
            if area_of(source, model) == area:
                vote = outvoted.get(source)
                value = vote.value if vote is not None and vote.slot == slot else None
                votes.append(AreaInput(above, source, name, value, slot, 0, OUTVOTED_ABOVE, slot, 0, slot, 0))
        above = model.entities[above].parent
    return votes


def _depth(area: str, model: CityModel) -> int:
    depth = 0
    while (parent := model.entities[area].parent) is not None and parent in model.entities:
        area, depth = parent, depth + 1
    return depth
