"""The rule index and shared dependencies of the present model, built once for all stages of a process."""

from __future__ import annotations

from twin.alarms.evaluation.shared_dependency import SharedDependencies
from twin.alarms.rules.rule_index import RuleIndex
from twin.model.city_model import CityModel


class RuleIndexCache:
    """Keeps what was built for the last requested model."""

    def __init__(self) -> None:
        self._model: CityModel | None = None
        self._built: tuple[RuleIndex, SharedDependencies] | None = None

    def of(self, model: CityModel) -> tuple[RuleIndex, SharedDependencies]:
        """Return which rules concern which entities, and which dependencies the sensors share."""
        if self._built is None or self._model is not model:
            self._model, self._built = model, (RuleIndex(model), SharedDependencies(model))
        return self._built
