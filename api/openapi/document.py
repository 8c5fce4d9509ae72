"""The OpenAPI document: paths and parameters as FastAPI finds them, answers as the routes declare them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from api.http.answers import (
    OF_BODIES,
    OF_EVERY_ROUTE,
    PROBLEMS,
    Answer,
    Body,
    Declaration,
    NoContent,
    declaration_of,
)
from api.http.models import SCHEMA_REF
from api.http.problems import MEDIA_TYPE, Problem
from api.http.response_headers import API_VERSION
from api.openapi.description import API_KEY, SECURITY_SCHEMES

Schema: TypeAlias = dict[str, Any]

PREFIX = "/v1"
"""Part of the server's URL in the document, not of its paths."""

# How msgspec names the schema of a generic type.
_PAGE = re.compile(r"Page_(\w+)_")
_VALIDATION_SCHEMAS = ("HTTPValidationError", "ValidationError")


def complete_document(document: Schema, routers: Sequence[tuple[APIRouter, str | None]]) -> Schema:
    """Return FastAPI's document of these routers with the answers that their routes declare.

    Each router comes with the name of its security scheme, or None for routes that take no key.
    """
    routes = {
        (route.path_format, method.lower()): (route, scheme)
        for router, scheme in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    models: list[Any] = [Problem]
    bodies: list[Body] = []
    paths: Schema = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            route, scheme = routes[path, method]
            declaration = declaration_of(route.endpoint)
            operation["parameters"] = [_parameter(each) for each in operation.get("parameters", ())]
            if declaration.body is not None:
                bodies.append(declaration.body)
                operation["requestBody"] = _request_body(declaration.body)
            operation["responses"] = _responses(declaration, scheme)
            if method == "get" and _is_tagged(declaration):
                _add_entity_tag(operation)
            operation["security"] = _security(declaration, scheme)
            for answer in declaration.answers:
                if isinstance(answer, Answer):
                    models += [answer.model, *answer.parts]
                    models += [answer.item] if answer.item is not None else []
        paths[path.removeprefix(PREFIX)] = item
    referred = {
        status
        for item in paths.values()
        for each in item.values()
        for status, answer in each["responses"].items()
        if "$ref" in answer
    }
    components = {
        "schemas": {
            **_parameter_schemas(document),
            **_different(body_schemas(body.model for body in bodies), model_schemas(models)),
        },
        "responses": {
            _problem_name(status): _problem_response(status)
            for status in PROBLEMS
            if str(status.value) in referred
        },
        "headers": {
            "API-Version": {
                "description": "The version of this API.",
                "schema": {"type": "string", "examples": [API_VERSION]},
            },
            "ETag": {
                "description": "The entity tag of this representation.",
                "schema": {"type": "string", "examples": ['W/"c0ffee00c0ffee00c0ffee00"']},
            },
        },
        "securitySchemes": SECURITY_SCHEMES,
    }
    return {**document, "paths": paths, "components": components}


def _parameter_schemas(document: Schema) -> Schema:
    schemas: Schema = document.get("components", {}).get("schemas", {})
    return {name: schema for name, schema in schemas.items() if name not in _VALIDATION_SCHEMAS}


def _different(bodies: Schema, answers: Schema) -> Schema:
    """Return the schemas of both; raise ValueError for a name that both have."""
    if both := bodies.keys() & answers.keys():
        raise ValueError(f"two models have the same name in the document: {sorted(both)}")
    return {**bodies, **answers}


class BodySchemas(GenerateJsonSchema):
    """Schemas of bodies: without titles, which repeat names, and with defaults as a body has them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return whether the members of a schema have titles."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        """Return the schema of a model."""
        described = super().model_schema(schema)
        del described["title"]
        return described

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        """Return the schema of a member with a default."""
        described = super().default_schema(schema)
        write = schema["schema"].get("serialization", {}).get("function")
        if write is not None and "default" in described:
            described["default"] = write(described["default"])
        return described


def body_schemas(models: Iterable[type[BaseModel]]) -> Schema:
    """Return the schemas of the models of bodies by name."""
    _, described = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)],
        ref_template=SCHEMA_REF.format(name="{model}"),
        schema_generator=BodySchemas,
    )
    schemas: Schema = described["$defs"]
    return schemas


def schema_reference(model: type[Any]) -> Schema:
    """Return the reference to the schema of a model whose name is that for clients."""
    return {"$ref": SCHEMA_REF.format(name=model.__name__)}


def _request_body(body: Body) -> Schema:
    content = {"schema": schema_reference(body.model), "example": body.example}
    return {"required": body.required, "content": dict.fromkeys(body.media_types, content)}


def model_schemas(models: Iterable[Any]) -> Schema:
    """Return the schemas of models by name; see `schema_name`."""
    described = [model for model in dict.fromkeys(models) if model not in (str, bytes)]
    _, components = msgspec.json.schema_components(described, ref_template=SCHEMA_REF)
    schemas = {schema_name(name): _renamed(schema) for name, schema in components.items()}
    if len(schemas) < len(components):
        raise ValueError(f"two models have the same name in the document: {sorted(components)}")
    for schema in schemas.values():
        del schema["title"]
    return schemas


def schema_name(name: str) -> str:
    """Return the name of a schema for clients, from the one that msgspec makes.

    >>> schema_name("Page_EntityModel_"), schema_name("EntityModel"), schema_name("State")
    ('EntityPage', 'Entity', 'State')
    """
    found = _PAGE.fullmatch(name)
    return f"{schema_name(found[1])}Page" if found else name.removesuffix("Model")


def _renamed(schema: Any) -> Any:
    """Return a schema whose references have the names for clients."""
    if isinstance(schema, list):
        return [_renamed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return {"$ref": SCHEMA_REF.format(name=schema_name(reference.rpartition("/")[2]))}
    return {name: _renamed(each) for name, each in schema.items()}


def schema_of(model: Any) -> Schema:
    """Return the schema of the type of a body: a reference to that of a model."""
    if model is bytes:
        return {"type": "string", "contentMediaType": "application/octet-stream"}
    (schema,), _ = msgspec.json.schema_components([model], ref_template=SCHEMA_REF)
    renamed: Schema = _renamed(schema)
    return renamed


def _parameter(parameter: Schema) -> Schema:
    """Return a parameter without what a client cannot send: a null, and a title that repeats its name."""
    schema = {
        name: value for name, value in parameter["schema"].items() if name not in ("title", "description")
    }
    choices = [choice for choice in schema.pop("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        schema = {**choices[0], **schema}
    elif choices:
        schema["anyOf"] = choices
    return {**parameter, "schema": schema}


def _responses(declaration: Declaration, scheme: str | None) -> Schema:
    """Return the responses of an operation: first the successes, then the problems.

    A problem with another media type beside its own is described in place, as it is not that of other routes.
    """
    problems = OF_EVERY_ROUTE | declaration.problems
    if declaration.body is not None:
        problems |= OF_BODIES
        if declaration.negotiated:
            problems |= {HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    if declaration.media_types:
        problems |= {HTTPStatus.NOT_ACCEPTABLE}
    if scheme is not None:
        problems |= {HTTPStatus.UNAUTHORIZED}
    if declaration.role is not None:
        problems |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    successes = _successes(declaration.answers)
    described: Schema = {
        str(status.value): {"$ref": f"#/components/responses/{_problem_name(status)}"}
        for status in sorted(problems)
    }
    for status in described.keys() & successes.keys():
        problem = _problem_response(HTTPStatus(int(status)))
        described[status] = {**problem, "content": {**problem["content"], **successes[status]["content"]}}
    return {**successes, **described}


def _successes(answers: Iterable[Answer[Any] | NoContent]) -> Schema:
    """Return the described responses of answers; those of one status differ by their media type."""
    successes: Schema = {}
    for answer in answers:
        response = successes.setdefault(
            str(answer.status.value), _with_headers({"description": answer.description})
        )
        for name, text in answer.headers.items():
            response["headers"][name] = {"description": text, "schema": {"type": "string"}}
        if isinstance(answer, NoContent):
            continue
        content: Schema = {"schema": schema_of(answer.model)}
        if answer.item is not None:
            items = {"type": "array", "items": schema_of(answer.item)}
            content["schema"] |= {"contentMediaType": answer.media_type, "contentSchema": items}
        if answer.example is not None:
            content["example"] = example_of(answer)
        response.setdefault("content", {})[answer.media_type] = content
    return successes


def example_of(answer: Answer[Any]) -> object:
    """Return the example of an answer as a client reads it."""
    example = answer.example
    return example if isinstance(example, str) else msgspec.to_builtins(example)


_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "Entity tags that the client has; 304 if the present one is among them.",
    "schema": {"type": "string"},
}


def _is_tagged(declaration: Declaration) -> bool:
    """Whether the answers of a GET get an entity tag: not streams, nor those that have a tag of their own."""
    bodies = [answer for answer in declaration.answers if isinstance(answer, Answer)]
    return any(not answer.streamed for answer in bodies) and all(
        "ETag" not in each.headers for each in bodies
    )


def _add_entity_tag(operation: Schema) -> None:
    """Describe the entity tag of an operation, and the answer to who has it."""
    operation["parameters"].append(_IF_NONE_MATCH)
    responses = operation["responses"]
    headers = {**responses["200"]["headers"], "ETag": {"$ref": "#/components/headers/ETag"}}
    responses["200"]["headers"] = headers
    responses["304"] = {"description": "It has not changed.", "headers": headers}
    operation["responses"] = dict(sorted(responses.items()))


def _with_headers(response: Schema) -> Schema:
    headers = {"API-Version": {"$ref": "#/components/headers/API-Version"}, **response.get("headers", {})}
    return {**response, "headers": headers}


def _problem_name(status: HTTPStatus) -> str:
    """Return the name of a problem in the components.

    >>> _problem_name(HTTPStatus.NOT_FOUND), _problem_name(HTTPStatus.REQUEST_URI_TOO_LONG)
    ('NotFound', 'UriTooLong')
    """
    named = "".join(word.capitalize() for word in status.name.split("_"))
    return _RENAMED_STATUSES.get(status.value, named)


_RENAMED_STATUSES = {413: "ContentTooLarge", 414: "UriTooLong"}
"""Python 3.13 took the names of RFC 9110: clients get the same ones whatever Python the server runs."""


def _problem_response(status: HTTPStatus) -> Schema:
    kind = PROBLEMS[status]
    example = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": kind.example,
        "instance": "/v1/entities",
    }
    content = {"schema": schema_reference(Problem), "example": example}
    response = _with_headers({"description": kind.description, "content": {MEDIA_TYPE: content}})
    for name, text in kind.headers.items():
        response["headers"][name] = {"description": text, "schema": {"type": "string"}}
    return response


def _security(declaration: Declaration, scheme: str | None) -> list[Schema]:
    if scheme is None:
        return []
    key: Schema = {scheme: []}
    needs_key = scheme != API_KEY or declaration.role is not None
    return [key] if needs_key else [{}, key]
