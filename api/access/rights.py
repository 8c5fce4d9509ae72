"""What a principal may do in the present city: the whole of its role, or within its areas only."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from api.access.principal import ANONYMOUS, Principal
from twin.model.city_model import CityModel
from twin.model.role import Role, role_includes


class Rights:
    """The rights of a principal in one version of the city model; without areas it needs none.

    Whoever puts personal data into an answer notes whose it is: `api.audit` records that before it is sent.
    """

    def __init__(self, principal: Principal, model: CityModel | None) -> None:
        self.principal = principal
        self.read_households: set[str] = set()  #: entities whose personal data is in the answer
        self.read_contacts: set[str] = set()  #: contacts whose addresses are in the answer
        self._model = model

    @property
    def role(self) -> Role:
        """The role for what concerns the whole city; `anonymous` when the principal is limited to areas."""
        return self.principal.role if self.principal.areas is None else "anonymous"

    def role_at(self, entity: str) -> Role:
        """Return the role for what concerns one entity; `anonymous` outside the areas of the principal."""
        if self.principal.areas is None or entity in self._entities:
            return self.principal.role
        return "anonymous"

    def includes_at(self, needed: Role, entity: str) -> bool:
        """Return whether the principal has a role for what concerns one entity."""
        return role_includes(self.role_at(entity), needed)

    def includes_within(self, needed: Role, *conditions: Collection[str]) -> bool:
        """Return whether the principal has a role for all that conditions select together.

        Each is a list of ids, of entities or of areas for what lies inside; an empty one selects everything.
        """
        if self.principal.areas is None:
            return role_includes(self.principal.role, needed)
        return any(
            ids and all(self.includes_at(needed, each) for each in ids)  # The others select among these.
            for ids in conditions
        )

    @cached_property
    def _entities(self) -> frozenset[str]:
        areas = self.principal.areas or frozenset()
        model = self._model
        if model is None:
            return frozenset()
        known = areas & model.entities.keys()
        return frozenset(entity for area in known for entity in model.within(area))


PUBLIC = Rights(ANONYMOUS, None)
"""What everybody may do."""


def rights_of_role(role: Role) -> Rights:
    """Return the rights of a role in the whole city."""
    return Rights(Principal(role, role), None)
