"""Writes reference/http-api.md, the page of all HTTP endpoints, from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sphinx.application import Sphinx

from api.app import create_app, create_context
from api.settings import ApiSettings
from runtime.clock import system_clock
from twin.model.city_model import City, CityModel

PAGE = Path("reference") / "http-api.md"

HEAD = """# HTTP API: all endpoints

This page is generated from the OpenAPI document that a running system serves at `/v1/openapi.json`. Schemas
and examples are there. [The HTTP API](api.md) explains the concepts: paging, errors, roles, live events.
"""


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of the application; no service is contacted."""
    settings = ApiSettings(
        city="town",
        partitions=4,
        kafka="127.0.0.1:9",
        database="postgresql://nobody@127.0.0.1:9/none",
        link_key="unused",
        static_dir=Path(__file__).parent,
    )
    city = City(id="town", name="Town", timezone="Europe/Amsterdam")
    model = CityModel(version=1, city=city, entities={}, sensors={}, datastreams={})
    app: Any = create_app(create_context(settings, model, system_clock, CollectorRegistry()))
    while not isinstance(app, FastAPI):
        app = app._app
    return app.openapi()


def one_line(text: str) -> str:
    """Return a text as the cell of a table holds it."""
    return " ".join(text.split()).replace("|", "\\|")


def schema_name(schema: dict[str, Any]) -> str:
    """Return the type of a parameter in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            names = [schema_name(part) for part in schema[choice] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(names))
    if schema.get("type") == "array":
        return f"list of {schema_name(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


def operation_lines(
    document: dict[str, Any], path: str, method: str, operation: dict[str, Any]
) -> Iterator[str]:
    """Yield the lines of one endpoint: summary, description, parameters and answers."""
    yield f"### `{method.upper()} /v1{path}`\n"
    if summary := operation.get("summary"):
        yield f"{summary}.\n"
    if description := operation.get("description"):
        yield f"{description}\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | meaning |\n|---|---|---|---|"
        for parameter in parameters:
            meaning = one_line(parameter.get("description") or parameter["schema"].get("description") or "")
            kind = one_line(schema_name(parameter["schema"]))
            required = " (required)" if parameter.get("required") else ""
            yield f"| `{parameter['name']}`{required} | {parameter['in']} | {kind} | {meaning} |"
        yield ""
    yield "| status | answer |\n|---|---|"
    for status, described in operation["responses"].items():
        reference = described.get("$ref", "").rpartition("/")[2]
        response = document["components"]["responses"][reference] if reference else described
        kinds = ", ".join(f"`{kind}`" for kind in response.get("content", {}))
        yield f"| {status} | {one_line(response.get('description', ''))}{f' ({kinds})' if kinds else ''} |"
    yield ""


def page_text(document: dict[str, Any]) -> str:
    """Return the page: endpoints in the order of their paths, under the first segment."""
    groups: dict[str, list[str]] = {}
    for path, methods in sorted(document["paths"].items()):
        subject = path.strip("/").split("/")[0]
        for method, operation in methods.items():
            groups.setdefault(subject, []).extend(operation_lines(document, path, method, operation))
    sections = (f"## {subject}\n\n" + "\n".join(lines) for subject, lines in sorted(groups.items()))
    return HEAD + "\n" + "\n".join(sections)


def write_page(app: Sphinx) -> None:
    """Write the page where its text has changed, before Sphinx looks for sources."""
    target = Path(app.srcdir) / PAGE
    text = page_text(openapi_document())
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_page, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
