"""What follows from a model's rules, made once for all stages of a process."""

from __future__ import annotations

from twin.alarms.evaluation.shared_dependency import Supplies
from twin.alarms.rules.rule_index import Bindings
from twin.model.city_model import CityModel


class ModelBindings:
    """Remembers what follows from the last model that it was asked for."""

    def __init__(self) -> None:
        self._model: CityModel | None = None
        self._found: tuple[Bindings, Supplies] | None = None

    def of(self, model: CityModel) -> tuple[Bindings, Supplies]:
        """Return which rules concern which entities, and what carries which sensors."""
        if self._found is None or self._model is not model:
            self._model, self._found = model, (Bindings(model), Supplies(model))
        return self._found
