"""Compares answers of the api with its OpenAPI document: operation, status, media type, members, formats."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI
from jsonschema import Draft202012Validator, FormatChecker
from starlette.types import ASGIApp

from cities.duration import parse_duration
from twin.instant import Instant, parse_instant

Schema: TypeAlias = dict[str, Any]

FORMATS = FormatChecker(formats=())
REQUEST_FORMATS = FormatChecker(formats=())
"""Requests may have times of any zone."""


def readable_by(read: Callable[[str], object]) -> Callable[[object], bool]:
    """Return whether a value is a text that `read` reads, or none."""

    def check(text: object) -> bool:
        try:
            return not isinstance(text, str) or read(text) is not None
        except ValueError:
            return False

    return check


def utc_instant(text: str) -> Instant:
    """Return the instant of a UTC time."""
    if not text.endswith("Z"):
        raise ValueError(f"{text} is not UTC")
    return parse_instant(text)


FORMATS.checks("date-time")(readable_by(utc_instant))
REQUEST_FORMATS.checks("date-time")(readable_by(parse_instant))
for each in (FORMATS, REQUEST_FORMATS):
    each.checks("duration")(readable_by(parse_duration))

PREFIX = "/v1/"
"""Of the paths that the document describes."""

EVENT_STREAM = "text/event-stream"

NO_OPERATION = {404, 405}
"""What a path or a method that the document lacks is answered with."""


def openapi_document(app: ASGIApp) -> Schema:
    """Return the document of an application inside its middleware."""
    while not isinstance(app, FastAPI):
        app = app._app  # type: ignore[attr-defined]
    return app.openapi()


def served_paths(document: Schema) -> Schema:
    """Return the paths of a document as requests name them, with the path of its server."""
    (server,) = document["servers"]
    return {urlsplit(server["url"]).path + path: item for path, item in document["paths"].items()}


class DocumentedAnswers:
    """Finds the differences between an answer and the document."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        self._schemas = {name: closed(schema) for name, schema in document["components"]["schemas"].items()}
        self._paths = [
            (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), item)
            for path, item in sorted(served_paths(document).items(), key=lambda each: each[0].count("{"))
        ]

    def operation(self, method: str, path: str) -> Schema | None:
        """Return the operation that a request is for, None where the document has none."""
        item: Schema = next((item for pattern, item in self._paths if pattern.fullmatch(path)), {})
        operation: Schema | None = item.get("get" if method == "HEAD" else method.lower())
        return operation

    def schema_faults(self, schema: Schema, body: object, formats: FormatChecker = FORMATS) -> list[str]:
        """Return where a body differs from a schema; a member that the schema lacks is a fault, too."""
        whole = {**closed(schema), "components": {"schemas": self._schemas}}
        validator = Draft202012Validator(whole, format_checker=formats)
        return [f"{each.json_path}: {each.message[:300]}" for each in validator.iter_errors(body)]

    def faults(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes | None
    ) -> list[str]:
        """Return the differences of an answer; `body` is None for a stream, which is not read.

        OPTIONS is answered by the layer of CORS, before there is a path.
        """
        if not path.startswith(PREFIX) or method == "OPTIONS":
            return []
        operation = self.operation(method, path)
        if operation is None:
            if status not in NO_OPERATION:
                return [f"the document has no {method} of this path, and the status is {status}"]
            problem = self._document["components"]["responses"]["NotFound"]
            return self._content_faults(problem, status, headers, body)
        answer = operation["responses"].get(str(status))
        if answer is None:
            return [f"the status {status} is not in the document"]
        if "$ref" in answer:
            answer = self._document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        return self._content_faults(answer, status, headers, body)

    def _content_faults(
        self, answer: Schema, status: int, headers: Mapping[str, str], body: bytes | None
    ) -> list[str]:
        media_type = headers.get("content-type", "").partition(";")[0]
        content = answer.get("content", {}).get(media_type)
        if content is None:
            has_body = body is None or body
            return [f"the media type {media_type!r} of {status} is not in the document"] if has_body else []
        if not body or not is_json(media_type):
            return []
        return self.schema_faults(content["schema"], json.loads(body))

    def request_faults(self, request: httpx.Request) -> list[str]:
        """Return where the body of a request, which was accepted, differs from the described one."""
        operation = self.operation(request.method, request.url.path)
        if operation is None or not hasattr(request, "_content") or not request.content:
            return []
        media_type = request.headers.get("content-type", "application/json").partition(";")[0]
        content = operation.get("requestBody", {"content": {}})["content"].get(media_type)
        if content is None:
            return [f"the document has no body of {media_type}"]
        if not is_json(media_type):
            return []
        return self.schema_faults(content["schema"], json.loads(request.content), REQUEST_FORMATS)

    def check_event(self, id: str, name: str, data: object) -> None:
        """Fail on an event of the live stream that differs from the document."""
        answer = self._document["paths"]["/live"]["get"]["responses"]["200"]
        schema = answer["content"][EVENT_STREAM]["schema"]["contentSchema"]["items"]
        found = self.schema_faults(schema, {"id": id, "event": name, "data": data})
        assert found == [], f"event {name} {data}: {found}"

    async def check(self, response: httpx.Response) -> None:
        """Fail on an answer, or an accepted request, that differs from the document; a hook of a client."""
        request = response.request
        media_type = response.headers.get("content-type", "").partition(";")[0]
        body = None if media_type == EVENT_STREAM else await response.aread()
        found = self.faults(request.method, request.url.path, response.status_code, response.headers, body)
        if response.is_success:
            found += [f"accepted request: {each}" for each in self.request_faults(request)]
        assert found == [], f"{request.method} {request.url}: {found}"


def is_json(media_type: str) -> bool:
    """Whether bodies of a media type are JSON."""
    return media_type == "application/json" or media_type.endswith("+json")


def closed(schema: Any) -> Any:
    """Return a schema whose objects have no members but the described ones."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        inner.setdefault("additionalProperties", False)
    return inner
