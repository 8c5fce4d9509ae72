"""The names that filters may have: those of the present city model. An unknown one is a fault, not silence.

A filter over something that does not exist would match nothing, for ever: a client that misspells a property
would take that for a quiet city.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from starlette.requests import HTTPConnection

from api.access.authorization import rights_of
from api.access.rights import Rights
from api.context import context_of
from api.http.parameters import NAMES_MAX, split_names
from api.live.alarm_view import AlarmView
from twin.model.city_model import CityModel
from twin.model.entity import AREA_TYPES
from twin.model.names import all_value_names, resolve_name
from twin.model.role import may_read_personal_data

NameKind: TypeAlias = Literal["entity", "type", "value", "property", "sensor", "rule", "cause"]
"""`value` is a property, an indicator or a roll-up."""

COMPARED_MAX = 1_000
"""Of more names none is compared with a wrong one: it would hold up other requests."""

SUGGESTIONS_MAX = 5
"""Of one request; the other faults have none."""

NAME_CHARACTERS_MAX = 100
"""Of a wrong name, that are compared."""

LISTED_MAX = 100
"""Up to so many known types and properties are listed, once in a request."""

_EXPECTED: Mapping[NameKind, str] = {
    "entity": "the id of an entity; /v1/entities lists them, with `q` those whose name contains a text",
    "type": "the type of an entity of this city; /v1/entity-types lists them",
    "value": "a property, an indicator or a roll-up of this city; /v1/properties lists them",
    "property": "an observed property of this city; /v1/properties lists them",
    "sensor": "the id of a sensor; /v1/datastreams lists them",
    "rule": "the id of a rule; /v1/rules lists them",
    "cause": "the cause of an alarm; /v1/rules lists those of the rules",
}

_NAMES_OF: Mapping[NameKind, Callable[[CityModel], Collection[str]]] = {
    "entity": lambda model: model.entities,
    "type": lambda model: model.entity_types | AREA_TYPES,
    "value": lambda model: {each.name for each in all_value_names(model)},
    "property": lambda model: model.properties,
    "sensor": lambda model: model.sensors,
    "rule": lambda model: model.rules,
    "cause": lambda model: {rule.incident_cause for rule in model.rules.values()},
}


class KnownNames:
    """The names that a request may use: of a city model and the alarms, as its principal sees them."""

    def __init__(self, model: CityModel, alarms: AlarmView, rights: Rights) -> None:
        self._model = model
        self._alarms = alarms
        self._rights = rights
        self._suggestions = 0

    def check(self, kind: NameKind, name: str) -> None:
        """Raise PydanticCustomError for an unknown name, with the nearest known one."""
        if not self._is_known(kind, name):
            raise PydanticCustomError("unknown", "{text}", {"text": self._expected(kind, name)})

    def _is_known(self, kind: NameKind, name: str) -> bool:
        if kind == "value":
            return resolve_name(name, self._model) is not None
        if kind == "sensor":
            return self._sees_sensor(name)
        if name in _NAMES_OF[kind](self._model):
            return True
        # An alarm outlives its rule.
        return kind in ("rule", "cause") and name in self._names_of_alarms

    @cached_property
    def _names_of_alarms(self) -> set[str]:
        return {name for event in self._alarms.alarms() for name in (event.rule, event.cause)}

    def _sees_sensor(self, name: str) -> bool:
        # Whether a household has a meter of this name is for nobody else.
        sensor = self._model.sensors.get(name)
        return sensor is not None and (
            not sensor.personal
            or any(
                may_read_personal_data(self._rights.role_at(each.entity))
                for each in self._model.datastreams.values()
                if each.sensor == name
            )
        )

    def _expected(self, kind: NameKind, name: str) -> str:
        known = _NAMES_OF[kind](self._model)
        text = f"expected {_EXPECTED[kind]}"
        self._suggestions += 1
        if kind in ("type", "property") and self._suggestions == 1 and len(known) <= LISTED_MAX:
            text += f": {', '.join(sorted(known))}"
        if self._suggestions > SUGGESTIONS_MAX or len(known) > COMPARED_MAX:
            return text
        by_fold = {one.casefold(): one for one in known if kind != "sensor" or self._sees_sensor(one)}
        near = get_close_matches(name[:NAME_CHARACTERS_MAX].casefold(), by_fold, n=3)
        return text + (f"; did you mean {' or '.join(by_fold[one] for one in near)}?" if near else "")


# FastAPI validates parameters without a context that a validator could read.
_NAMES: ContextVar[KnownNames | None] = ContextVar("names that the present request may use", default=None)


async def know_names(connection: HTTPConnection) -> None:
    """Make the names known to the parameters and the body of a request; a dependency of the routes of /v1.

    The socket of live events calls it before each message: the city may have changed.
    """
    context = context_of(connection)
    _NAMES.set(KnownNames(context.model, context.hub.alarms, rights_of(connection)))


def known(kind: NameKind) -> AfterValidator:
    """Return a validator that refuses names of a kind which the city does not have.

    Outside a request it accepts all: a filter that was stored once may name what is gone.
    """

    def check(name: str) -> str:
        names = _NAMES.get()
        if names is not None:
            names.check(kind, name)
        return name

    return AfterValidator(check)


_Name = TypeVar("_Name", bound=str)
_NameList: TypeAlias = Annotated[list[_Name], BeforeValidator(split_names), Field(max_length=NAMES_MAX)]

EntityIds: TypeAlias = _NameList[Annotated[str, known("entity")]]
EntityTypes: TypeAlias = _NameList[Annotated[str, known("type")]]
ValueNames: TypeAlias = _NameList[Annotated[str, known("value")]]
PropertyNames: TypeAlias = _NameList[Annotated[str, known("property")]]
SensorIds: TypeAlias = _NameList[Annotated[str, known("sensor")]]
RuleIds: TypeAlias = _NameList[Annotated[str, known("rule")]]
Causes: TypeAlias = _NameList[Annotated[str, known("cause")]]
