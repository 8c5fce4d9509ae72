"""Finds the derived series that a change of the model puts on another grid of event time."""

from __future__ import annotations

from twin.model.city_model import CityModel
from twin.model.names import all_value_names, series_interval
from twin.state.derived_points import entity_inputs


def series_on_other_grids(earlier: CityModel, model: CityModel) -> list[tuple[str, str]]:
    """Return the series, as entity and name, whose points have another distance in a new model, sorted.

    Series of areas have the slots of their name; indicators of an entity the windows that its sensors keep.
    """
    slots = [
        one.name
        for one in all_value_names(model)
        if one.rolled_up and series_interval(one.base, model) != series_interval(one.base, earlier)
    ]
    areas = {one.parent for one in model.entities.values() if one.parent is not None}
    found = {(area, name) for area in areas for name in slots}
    for entity in model.entities.keys() & earlier.entities.keys():
        before = entity_inputs(entity, earlier).sizes
        found |= {
            (entity, name)
            for name, size in entity_inputs(entity, model).sizes.items()
            if before.get(name, size) != size
        }
    return sorted(found)
