"""What each principal may do: measured by requests to every operation of the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx

from tests.support.http.documented_answers import served_paths

REFUSED = (401, 403)


class Column(NamedTuple):
    """One principal of the matrix, by the header of its requests."""

    name: str
    credential: str | None


async def measure(
    client: httpx.AsyncClient,
    document: Mapping[str, Any],
    columns: Sequence[Column],
    examples: Mapping[str, str],
    bodies: Mapping[str, object],
) -> dict[str, str]:
    """Return for each operation one letter a column: `y` allowed, `-` refused.

    `examples` has an id for each path, or for a parameter of any path; `bodies` what an operation needs to
    know its place. Another status than 401 and 403 means that the principal may do it: a body is missing, or
    the database.
    """
    matrix: dict[str, str] = {}
    for path, methods in served_paths(dict(document)).items():
        for method in methods:
            operation, url = f"{method.upper()} {path}", _example_url(path, examples)
            letters = ""
            for column in columns:
                headers = {"Authorization": f"Bearer {column.credential}"} if column.credential else {}
                # HEAD instead of GET: a stream has no end.
                verb = "HEAD" if method == "get" else method.upper()
                response = await client.request(verb, url, headers=headers, json=bodies.get(operation))
                letters += "-" if response.status_code in REFUSED else "y"
            matrix[operation] = letters
    return matrix


def _example_url(path: str, examples: Mapping[str, str]) -> str:
    if path in examples:
        return examples[path]

    def example(match: re.Match[str]) -> str:
        return examples[match[0]]

    return re.sub(r"\{\w+\}", example, path)


def render(matrix: Mapping[str, str], columns: Sequence[Column]) -> str:
    """Return the matrix as a table in Markdown."""
    operations = sorted(matrix, key=lambda each: each.split(" ")[::-1])
    return render_rows("operation", {f"`{each}`": matrix[each] for each in operations}, columns)


def render_rows(heading: str, matrix: Mapping[str, str], columns: Sequence[Column]) -> str:
    """Return rows, in their order, as a table in Markdown."""
    rows = [
        f"| {heading} | " + " | ".join(column.name for column in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, letters in matrix.items():
        cells = " | ".join("yes" if letter == "y" else "" for letter in letters)
        rows.append(f"| {name} | {cells} |")
    return "\n".join(rows) + "\n"
