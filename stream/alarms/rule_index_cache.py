"""What follows from a model's rules, made once for all stages of a process."""

from __future__ import annotations

from twin.alarms.evaluation.shared_dependency import SharedDependencies
from twin.alarms.rules.rule_index import RuleIndex
from twin.model.city_model import CityModel


class RuleIndexCache:
    """Remembers what follows from the last model that it was asked for."""

    def __init__(self) -> None:
        self._model: CityModel | None = None
        self._found: tuple[RuleIndex, SharedDependencies] | None = None

    def of(self, model: CityModel) -> tuple[RuleIndex, SharedDependencies]:
        """Return which rules concern which entities, and what carries which sensors."""
        if self._found is None or self._model is not model:
            self._model, self._found = model, (RuleIndex(model), SharedDependencies(model))
        return self._found
