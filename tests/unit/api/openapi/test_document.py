"""The OpenAPI document says what the routes answer, in a form that a client can be generated from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.context import ApiContext
from api.http.answers import OF_EVERY_ROUTE, declaration_of
from api.http.models import DurationText, Time
from api.openapi.document import schema_of
from cities.rules.conditions import KINDS
from tests.support.http.documented_answers import (
    DocumentedAnswers,
    Schema,
    openapi_document,
)


@pytest.fixture
def document(parts: ApiContext) -> Schema:
    return openapi_document(create_app(parts))


def operations(document: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield method with path, and each operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def values_named(name: str, value: object) -> Iterator[object]:
    """Yield every member of a name in a value."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key == name:
                yield each
            yield from values_named(name, each)
    elif isinstance(value, list):
        for each in value:
            yield from values_named(name, each)


def test_every_operation_has_a_name_of_its_own_that_a_client_can_use(document: Schema) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []


def test_a_route_that_declares_no_answers_is_refused() -> None:
    with pytest.raises(TypeError, match=r"operations has no @answers"):
        declaration_of(operations)


def test_revisions_are_integers_of_64_bits_that_javascript_reads_exactly(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    found = {
        name: schema["properties"]["revision"]
        for name, schema in schemas.items()
        if "revision" in schema.get("properties", {})
    }
    assert {"Value", "State", "Alarm", "Incident", "StateData", "AlarmData"} <= found.keys()
    for schema in found.values():
        assert (schema["type"], schema["format"], schema["maximum"]) == ("integer", "int64", 2**53 - 1)
    # Values of a later version of the city model: none of them fits into 32 bits.
    shown = [one for one in values_named("revision", document) if isinstance(one, int)]
    assert shown
    assert min(shown) > 2**32


def test_every_example_is_valid_by_its_schema(document: Schema) -> None:
    answers = DocumentedAnswers(document)
    declared = [each["responses"] for _, each in operations(document)] + [document["components"]["responses"]]
    declared += [{name: each.get("requestBody", {})} for name, each in operations(document)]
    faults, seen = [], 0
    for described in declared:
        for name, part in described.items():
            for content in part.get("content", {}).values():
                if "example" in content:
                    seen += 1
                    faults += [f"{name}: {each}" for each in answers.schema_faults(*_example(content))]
    assert faults == []
    assert seen > 100


def _example(content: Schema) -> tuple[Schema, object]:
    return content["schema"], content["example"]


def test_bodies_have_schemas_that_refuse_unknown_members(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    bodies = {
        name: schemas[content["schema"]["$ref"].rpartition("/")[2]]
        for name, operation in operations(document)
        for content in operation.get("requestBody", {"content": {}})["content"].values()
    }
    assert len(bodies) > 15
    open_ones = [name for name, schema in bodies.items() if schema["additionalProperties"] is not False]
    assert open_ones == ["POST /acknowledge-replies"]


def test_a_body_is_required_where_it_has_required_members(document: Schema) -> None:
    required = {
        operation["operationId"]: operation["requestBody"]["required"]
        for _, operation in operations(document)
        if "requestBody" in operation
    }
    assert not required["acknowledgeAlarm"]
    assert not required["resumeSubscription"]
    assert required["shelveAlarm"], "either `until` or `duration`"
    assert required["createSubscription"]


def test_the_body_of_a_rule_has_the_formats_and_defaults_of_its_document(document: Schema) -> None:
    rule = document["components"]["schemas"]["PutRuleBody"]["properties"]
    assert rule["onDelay"] == {"type": "string", "format": "duration", "default": "PT0S"}
    assert rule["id"] == {"type": "string"}
    assert {each["$ref"].rpartition("/")[2] for each in rule["when"]["anyOf"]} == {
        kind.__name__ for kind in KINDS.values()
    }


async def test_an_accepted_request_that_differs_from_the_document_is_found(document: Schema) -> None:
    answers = DocumentedAnswers(document)
    path = "http://city.example/v1/alarms/a/_shelve"

    def faults(**body: object) -> str:
        return str(answers.request_faults(httpx.Request("POST", path, json=body)))

    assert faults(until="2026-11-23T12:00:00+01:00") == "[]"
    assert "'an hour' is not valid" in faults(duration="an hour")
    assert "'reason' was unexpected" in faults(duration="PT1H", reason="works")
    form = httpx.Request("POST", path, data={"duration": "PT1H"})
    assert "no body of application/x-www-form-urlencoded" in str(answers.request_faults(form))


def test_no_example_lists_properties(document: Schema) -> None:
    """The official linter takes such a member for the properties of a schema, and ends."""
    examples = [*values_named("example", document), *values_named("examples", document)]
    found = [each for example in examples for each in values_named("properties", example)]
    assert [each for each in found if isinstance(each, list)] == []


def test_every_operation_has_the_problems_of_the_layers_around_it(document: Schema) -> None:
    for name, operation in operations(document):
        statuses = operation["responses"].keys()
        assert {str(status.value) for status in OF_EVERY_ROUTE} <= statuses, name
        assert "422" not in statuses, name
    assert {"HTTPValidationError", "ValidationError"}.isdisjoint(document["components"]["schemas"])


def test_every_operation_says_who_may_use_it(document: Schema) -> None:
    by_name = {operation["operationId"]: operation["security"] for _, operation in operations(document)}
    assert by_name["listEntities"] == [{}, {"apiKey": []}]
    assert by_name["getLiveness"] == []
    assert by_name["acknowledgeByReply"] == [{"replyKey": []}]


def test_tags_are_described(document: Schema) -> None:
    described = {tag["name"] for tag in document["tags"]}
    assert {tag for _, operation in operations(document) for tag in operation["tags"]} == described


def test_the_document_names_server_contact_and_licence(document: Schema) -> None:
    assert document["servers"][0]["url"] == "http://localhost:8080/v1"
    assert document["info"]["contact"] == {
        "name": "LiveTwin of City",
        "email": "livetwin@city.example",
        "url": "http://localhost:8080",
    }
    assert document["info"]["license"]["identifier"] == "EUPL-1.2"


def test_parameters_have_the_formats_of_times_and_no_null(document: Schema) -> None:
    parameters = {
        parameter["name"]: parameter["schema"]
        for _, operation in operations(document)
        for parameter in operation["parameters"]
    }
    assert parameters["knownAt"]["format"] == "date-time"
    assert list(values_named("anyOf", parameters)) == []


def test_answers_with_geometries_describe_their_reference_system(document: Schema) -> None:
    paths = document["paths"]
    for path in ("/entities", "/entities/{id}"):
        assert "CRS84" in paths[path]["get"]["responses"]["200"]["headers"]["Content-Crs"]["description"]
    assert "Content-Crs" not in paths["/entities/{id}/state"]["get"]["responses"]["200"]["headers"]


def test_a_page_has_a_name_for_clients(document: Schema) -> None:
    schemas = document["components"]["schemas"]
    assert {"Entity", "EntityPage", "State", "Value", "DatastreamPage", "Problem"} <= schemas.keys()
    answer = document["paths"]["/entities"]["get"]["responses"]["200"]["content"]
    assert answer["application/json"]["schema"] == {"$ref": "#/components/schemas/EntityPage"}
    assert answer["application/geo+json"]["schema"] == {
        "$ref": "#/components/schemas/EntityFeatureCollection"
    }
    assert schemas["EntityPage"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/Entity"}
    assert "null" not in str(schemas["PageLinks"])


async def test_an_answer_that_differs_from_the_document_is_found(
    client: httpx.AsyncClient, document: Schema
) -> None:
    answers = DocumentedAnswers(document)
    response = await client.get("/v1/entities/city.canal")
    entity: dict[str, Any] = response.json()
    schema = {"$ref": "#/components/schemas/Entity"}
    assert answers.schema_faults(schema, entity) == []
    assert "'colour' was unexpected" in str(answers.schema_faults(schema, {**entity, "colour": "red"}))
    del entity["name"]
    assert "'name' is a required property" in str(answers.schema_faults(schema, entity))
    headers = {"content-type": "application/json"}
    assert answers.faults("GET", "/v1/entities/x", 418, headers, b"{}") == [
        "the status 418 is not in the document"
    ]
    assert "media type" in str(
        answers.faults("GET", "/v1/entities/x", 200, {"content-type": "text/csv"}, b"a")
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "media_type", "body", "fault"),
    [
        ("GET", "/v1/nowhere", 200, "application/json", b"{}", "no GET of this path"),
        ("POST", "/v1/entities", 200, "application/json", b"{}", "no POST of this path"),
        ("GET", "/v1/nowhere", 404, "text/html", b"<html>", "media type 'text/html' of 404"),
        ("GET", "/v1/nowhere", 404, "application/problem+json", b"{}", "required property"),
        ("GET", "/v1/entities", 200, "", b"{}", "media type '' of 200"),
        ("GET", "/v1/entities", 200, "text/event-stream", None, "media type 'text/event-stream' of 200"),
        ("HEAD", "/v1/entities", 201, "", b"", "status 201"),
    ],
)
def test_an_answer_of_an_operation_status_or_media_type_that_is_not_described_is_found(  # noqa: PLR0917
    document: Schema, method: str, path: str, status: int, media_type: str, body: bytes | None, fault: str
) -> None:
    headers = {"content-type": media_type}
    assert fault in str(DocumentedAnswers(document).faults(method, path, status, headers, body))


def test_answers_without_a_body_and_of_paths_outside_the_document_are_no_faults(document: Schema) -> None:
    answers = DocumentedAnswers(document)
    assert answers.faults("HEAD", "/v1/entities", 200, {"content-type": "application/json"}, b"") == []
    assert answers.faults("GET", "/metrics", 200, {"content-type": "text/plain"}, b"a 1") == []


@pytest.mark.parametrize(
    ("kind", "text"), [(DurationText, "10 minutes"), (Time, "2026-11-23T12:00:00+01:00")]
)
def test_a_text_in_another_format_is_found(document: Schema, kind: Any, text: str) -> None:
    assert len(DocumentedAnswers(document).schema_faults(schema_of(kind), text)) == 1
