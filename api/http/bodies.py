"""Request bodies: JSON of a bounded size; a problem lists all faults of a body."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from api.context import context_of
from api.http.answers import JSON, declaration_of
from api.http.negotiation import check_content_type
from api.http.problems import ProblemError, RequestFault, bad_request, body_faults
from twin.wire.codec import DECODE_ERRORS
from twin.wire.json_nesting import JsonNestingError, check_json_nesting

BODY_BYTES_MAX = 64 * 1024
"""The description of a sensor with a hundred datastreams takes 10 kB."""


class RequestBody(BaseModel):
    """Base of all bodies; an undeclared member is a fault, and so is a value of another JSON type."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True
    )


B = TypeVar("B", bound=RequestBody)


async def read_json_object(request: Request, expected: str) -> dict[str, Any]:
    """Return the JSON object in the body of a request; `expected` describes it in the error text.

    Raises a problem when the body is something else (400, 415), or longer than `BODY_BYTES_MAX`.
    """
    data = await read_content(request)
    if data:
        check_content_type(request, (JSON,))
    return json_object(data, f"expected a JSON object {expected}")


async def read_body(request: Request, kind: type[B]) -> B:
    """Return the body of a request; an empty body has no members. Raises a problem with all its faults."""
    data = await read_content(request)
    if data:
        check_content_type(request, (JSON,))
    item = json_object(data, "expected a JSON object") if data.strip() else {}
    try:
        return kind.model_validate(item)
    except ValidationError as error:
        known = [field.alias or name for name, field in kind.model_fields.items()]
        raise bad_request(*body_faults(error, known)) from None


async def read_body_faults(request: Request) -> Sequence[RequestFault]:
    """Return the faults of a body that its route did not read, since the parameters have faults.

    Only as far as the declared model alone finds them.
    """
    declaration = declaration_of(request.scope["endpoint"])
    if declaration.body is None:
        return ()
    model = declaration.body.model
    if not issubclass(model, RequestBody):
        return ()
    try:
        await read_body(request, model)
    except ProblemError as problem:
        return problem.faults
    return ()


def json_object(data: bytes, expected: str) -> dict[str, Any]:
    """Return the JSON object in a body; raise a problem when it is something else."""
    try:
        if b"\\u0000" in data:
            raise bad_request(
                RequestFault("body", "", "nul", "found \\u0000: no text contains that character")
            )
        check_json_nesting(data)
        item: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    except (JsonNestingError, *DECODE_ERRORS) as error:
        raise bad_request(RequestFault("body", "", "malformed", f"{expected}: {error}")) from None
    return item


async def read_content(request: Request) -> bytes:
    """Return the body of a request. Raises a problem when it is longer than `BODY_BYTES_MAX`, or late."""
    body = bytearray()
    timeout_s = context_of(request).body_timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise ProblemError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {BODY_BYTES_MAX} bytes."
                    )
    except TimeoutError:
        raise ProblemError(
            HTTPStatus.REQUEST_TIMEOUT, f"The body did not arrive within {timeout_s:g} s."
        ) from None
    return bytes(body)
