"""Writes the types of the Python client from the served OpenAPI document.

    python -m tests.standards.python_client_types

Schemas become TypedDicts, sets of words become Literals, and the parameters of an operation a TypedDict of
keywords. Only what the methods of the client use is written, and what that refers to. A schema that this
program cannot express is an error.
"""

from __future__ import annotations

import asyncio
import json
import keyword
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from tests.standards.served_document import served_document
from tests.support.repository import ROOT

Schema: TypeAlias = dict[str, Any]

TARGET = ROOT / "clients/python/livetwin_client/api_types.py"

QUERIES: Mapping[str, str] = {
    "followLiveEvents": "LiveQuery",
    "listEntities": "EntitiesQuery",
    "listAlarms": "AlarmsQuery",
    "getHistory": "HistoryQuery",
}
"""The name of the TypedDict of an operation's query."""

ANSWERS = ("followLiveEvents", "listEntities", "listAlarms", "getHistory", "getState")
"""Operations of which the answers are written."""

# The methods of the client have these: a stream goes on from a store of cursors, pages from their links.
_OWN_PARAMETERS = frozenset({"cursor"})
_REFERENCE = "#/components/schemas/"
_SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}

_HEAD = '''\
"""Types of the API, written from its OpenAPI document by `python -m tests.standards.python_client_types`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, final

'''


class SchemaTypeError(ValueError):
    """A schema has no type in Python that this program knows."""


def python_client_types(document: Schema) -> str:
    """Return the text of the module of types; raise SchemaTypeError."""
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    operations = {
        operation["operationId"]: operation
        for item in document["paths"].values()
        for operation in item.values()
    }
    events = _event_names(operations["followLiveEvents"])
    roots = [*events, "Problem"]
    for id in ANSWERS:
        roots += _references(operations[id]["responses"]["200"])
    for id in QUERIES:
        roots += _references(operations[id]["parameters"])
    parts = [_definition(name, schemas[name]) for name in _in_order(roots, schemas)]
    parts.append(f"LiveEvent: TypeAlias = {' | '.join(events)}\n")
    parts += [_query(name, operations[id]["parameters"]) for id, name in QUERIES.items()]
    return _formatted(_HEAD + "\n\n".join(parts))


def _event_names(operation: Schema) -> list[str]:
    content = operation["responses"]["200"]["content"]["text/event-stream"]
    return list(_references(content["schema"]["contentSchema"]))


def _references(part: Any) -> Iterator[str]:
    """Yield the names of the schemas that a part of the document refers to."""
    if isinstance(part, Mapping):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(_REFERENCE):
            yield reference.removeprefix(_REFERENCE)
        for key, value in part.items():
            # GeoJSON is another representation of the same entities; the client reads JSON.
            if key != "application/geo+json":
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _in_order(roots: Iterable[str], schemas: Mapping[str, Schema]) -> list[str]:
    """Return the roots and all that they refer to, each after what it refers to; raise at a circle."""
    done: list[str] = []
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name in done:
            return
        if name in begun:
            raise SchemaTypeError(f"{name} refers to itself: expected schemas without circles")
        begun.add(name)
        for other in _references(schemas[name]):
            visit(other)
        done.append(name)

    for root in roots:
        visit(root)
    return done


def _definition(name: str, schema: Schema) -> str:
    if "enum" in schema:
        return f'{name}: TypeAlias = {_type(schema)}\n"""{schema["description"]}"""\n'
    required = frozenset(schema.get("required", ()))
    members = {
        member: (_type(each), each.get("description", ""), member in required)
        for member, each in schema["properties"].items()
    }
    return _typed_dict(name, schema["description"], members)


def _query(name: str, parameters: Iterable[Schema]) -> str:
    members = {
        each["name"]: (_argument(each["schema"]), each.get("description", ""), each["required"])
        for each in parameters
        if each["in"] == "query" and each["name"] not in _OWN_PARAMETERS
    }
    return _typed_dict(name, "What may be asked for, by the names of the API.", members)


def _typed_dict(name: str, description: str, members: Mapping[str, tuple[str, str, bool]]) -> str:
    typed = {
        member: type if required else f"NotRequired[{type}]"
        for member, (type, _, required) in members.items()
    }
    if any(keyword.iskeyword(member) for member in members):
        items = ", ".join(f"{member!r}: {type}" for member, type in typed.items())
        return f'{name} = TypedDict({name!r}, {{{items}}})\n"""{description}"""\n'
    # Final: so a type checker knows which of several a value is, by a member that only one has.
    lines = ["@final", f"class {name}(TypedDict):", f'    """{description}"""', ""]
    for member, (_, explained, _) in members.items():
        lines += [f"    #: {line}" for line in _wrapped(explained)]
        lines.append(f"    {member}: {typed[member]}")
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int = 100) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".lstrip()
    if line:
        yield line


def _argument(schema: Schema) -> str:
    """Return the type of a query's value: of a list also a single item, of a time also a datetime."""
    if schema.get("type") == "array":
        item = _type(schema["items"])
        return f"{item} | Sequence[{item}]"
    if schema.get("format") == "date-time":
        return "str | datetime"
    return _type(schema)


def _type(schema: Schema) -> str:
    """Return the type of a value in JSON."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema and "type" not in schema:
            return " | ".join(dict.fromkeys(_type(each) for each in schema[alternatives]))
    if "enum" in schema:
        return f"Literal[{', '.join(repr(word) for word in schema['enum'])}]"
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema['items'])}]" if schema.get("items") else "list[Any]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_type(values) if isinstance(values, dict) and values else 'Any'}]"
    if kind not in _SIMPLE:
        raise SchemaTypeError(
            f"found {json.dumps(schema)[:200]}, expected a type, a $ref, anyOf, oneOf or enum"
        )
    return _SIMPLE[kind]


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    TARGET.write_text(python_client_types(json.loads(asyncio.run(served_document()))))
