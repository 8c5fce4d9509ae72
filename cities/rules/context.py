"""The city against which rules are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cities.files.items import suggestion
from twin.indicators.registry import REGISTRY
from twin.model.city_model import City, CityModel, CityPlan
from twin.model.entity import RELATION_TYPES
from twin.model.names import ValueName, resolve_name
from twin.model.observed_property import ObservedProperty

AREA = "area"
"""As a type of relation before a name: the area that the entity belongs to."""


@dataclass(frozen=True, slots=True)
class RuleContext:
    """A city, as far as it can be read.

    `whole` is False while other files of its folder have faults. Then a missing name may be due to them, and
    only references to ids that no file has are reported. `ids` is None if the ids are unknown.
    """

    model: CityModel
    ids: frozenset[str] | None
    whole: bool = True

    @classmethod
    def of(cls, model: CityModel) -> RuleContext:
        """Return the context of a complete city."""
        return cls(model, frozenset(model.entities))

    @classmethod
    def of_folder(
        cls,
        plan: CityPlan | None,
        properties: Mapping[str, ObservedProperty],
        ids: frozenset[str] | None,
    ) -> RuleContext:
        """Return the context of a folder; `plan` is None if the folder has faults elsewhere."""
        if plan is not None:
            return cls.of(plan.model(0))
        nowhere = City(id="unknown", name="", timezone="UTC")
        model = CityModel(
            version=0, city=nowhere, entities={}, sensors={}, datastreams={}, properties=properties
        )
        return cls(model, ids, whole=False)

    def named(self, name: str) -> ValueName | None:
        """Return the meaning of a name, or None."""
        return resolve_name(name, self.model)

    def unknown_name(self, name: str) -> str:
        """Return the fault of an unknown name."""
        known = sorted({*self.model.properties, *REGISTRY})
        return f"found {name!r}, expected an observed property or an indicator{suggestion(name, known)}"

    def unknown_id(self, id: str) -> str | None:
        """Return the fault of a reference to an unknown entity, or None."""
        if self.ids is None or id in self.ids:
            return None
        return f"found {id!r}, expected the id of an entity of this city{suggestion(id, sorted(self.ids))}"

    def unknown_attribute(self, name: str) -> str | None:
        """Return the fault of an attribute that no entity has, or None."""
        if not self.whole or any(name in one.attributes for one in self.model.entities.values()):
            return None
        known = sorted({name for one in self.model.entities.values() for name in one.attributes})
        return f"no entity has the attribute {name}{suggestion(name, known)}"

    def unknown_type(self, type: str) -> str | None:
        """Return the fault of a type that no entity has, or None."""
        if not self.whole:
            return None
        types = {one.type for one in self.model.entities.values()}
        if type in types:
            return None
        expected = sorted(types)
        return f"no entity is a {type}{suggestion(type, expected)}: expected one of {', '.join(expected)}"


def unknown_whose(whose: str) -> str | None:
    """Return the fault of the part before the dot of a name, or None.

    >>> unknown_whose("drainTo")
    "found 'drainTo', expected area, locatedIn, feeds, drainsTo, adjacentTo (did you mean drainsTo?)"
    """
    known = (AREA, *RELATION_TYPES)
    if not whose or whose in known:
        return None
    return f"found {whose!r}, expected {', '.join(known)}{suggestion(whose, known)}"
