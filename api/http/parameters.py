"""Query parameters that several rooms share; undeclared parameters are faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from cities.duration import parse_duration
from twin.instant import DAY, Duration, Instant, parse_instant
from twin.model.observed_property import Theme

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
OBSERVATIONS_LIMIT_DEFAULT = 1_000
OBSERVATIONS_LIMIT_MAX = 10_000
NAMES_MAX = 500
"""Of one parameter."""
DURATION_MAX: Duration = 366 * DAY


def split_names(value: Any) -> Any:
    """Return the names of a parameter that may be repeated and may hold several, separated by commas.

    In a body `value` may be anything; it is refused unless it is a text or a list of texts.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise PydanticCustomError("list_type", "expected a list of names; omit it for all")
    found = [[name.strip() for name in text.split(",") if name.strip()] for text in texts]
    if not all(found):
        raise PydanticCustomError("empty", "expected a name, or several with commas; omit it for all")
    names = [name for each in found for name in each]
    if len(names) > NAMES_MAX:
        # Before each name is looked up.
        raise PydanticCustomError("too_many", "at most {limit} names are accepted", {"limit": NAMES_MAX})
    return names


def parsed_by(parse: Callable[[str], object]) -> AfterValidator:
    """Return a validator that refuses a text which `parse` cannot read, and keeps the text."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def parse_time(text: str) -> Instant:
    """Return the instant of a query parameter; a space stands for a `+` that was not escaped."""
    try:
        return parse_instant(text.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise ValueError("expected an RFC 3339 time with its offset, such as 2026-11-23T12:00:00Z") from error


def instant_or(text: str | None, default: Instant) -> Instant:
    """Return the instant of a validated text, or the default for None."""
    return default if text is None else parse_time(text)


def _parse_duration(text: str) -> Duration:
    duration = parse_duration(text)
    if not 0 < duration <= DURATION_MAX:
        raise ValueError("expected a duration above zero and at most 366 days")
    return duration


Names = Annotated[list[str], BeforeValidator(split_names), Field(max_length=NAMES_MAX)]
Themes = Annotated[list[Theme], BeforeValidator(split_names)]
TimeText = Annotated[str, parsed_by(parse_time), Field(json_schema_extra={"format": "date-time"})]
DurationText = Annotated[str, parsed_by(_parse_duration), Field(json_schema_extra={"format": "duration"})]
PageLimit = Annotated[int, Field(ge=1, le=LIMIT_MAX, description="Items per page.")]
PageCursor = Annotated[str | None, Field(description="From `_links.next`; opaque.")]


class Parameters(BaseModel):
    """Base of all query parameters; an undeclared parameter is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class NoParameters(Parameters):
    """The parameters of an endpoint without any."""


class PageParameters(Parameters):
    """Which page of a collection."""

    cursor: PageCursor = None
    limit: PageLimit = LIMIT_DEFAULT


NoQuery = Annotated[NoParameters, Query()]
"""The query of an endpoint without parameters."""
