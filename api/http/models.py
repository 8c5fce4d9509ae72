"""What every model of an answer is made of: the base, texts with a format, and links.

A model is a msgspec structure: it renders the answer, and its JSON Schema describes it in /v1/openapi.json.
A member that an answer may lack is `UNSET` by default; one that may be null is optional.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

Time: TypeAlias = Annotated[
    str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})
]
DurationText: TypeAlias = Annotated[
    str, Meta(description="ISO 8601.", extra_json_schema={"format": "duration"})
]
REVISION_MAX = 2**53 - 1
"""A JSON number up to this is the same integer in each client, also where all numbers are floats."""

Revision: TypeAlias = Annotated[
    int,
    Meta(
        description="Rises with each change, by leaps when the city model changes; 0 before the first.",
        ge=0,
        le=REVISION_MAX,
        extra_json_schema={"format": "int64"},
    ),
]
Count: TypeAlias = Annotated[int, Meta(ge=0)]


def wire_name(field: str) -> str:
    """Return the name of a member of a model: camelCase; `links` are those of HAL.

    >>> [wire_name(field) for field in ("phenomenon_time", "links", "self_")]
    ['phenomenonTime', '_links', 'self']
    """
    first, *others = field.rstrip("_").split("_")
    return "_links" if field == "links" else first + "".join(word.capitalize() for word in others)


class Model(Struct, frozen=True, kw_only=True, rename=wire_name):
    """Base of the models. mypy wants `frozen=True, kw_only=True` again at each."""


SCHEMA_REF = "#/components/schemas/{name}"
"""The reference to a schema in /v1/openapi.json."""


def any_of(*models: type[Model]) -> Meta:
    """Return the description of a member that has one of several models without a tag.

    msgspec has no type for it. The answer lists the models among its `parts`.
    """
    choices = [{"$ref": SCHEMA_REF.format(name=model.__name__)} for model in models]
    return Meta(extra_json_schema={"anyOf": choices})


class Link(Model, frozen=True, kw_only=True):
    """A link (HAL)."""

    href: Annotated[str, Meta(description="Path and query.", extra_json_schema={"format": "uri-reference"})]
