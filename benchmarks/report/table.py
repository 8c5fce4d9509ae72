"""The last committed run as the tables of README.md and docs/reference/performance.md.

`--write` inserts them into the pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.figures import Figure, format_value, from_json
from benchmarks.report.results import CHECKOUT, RESULTS

BEGIN, END = "<!-- figures: `python -m benchmarks table --write` -->", "<!-- end of figures -->"
_BETWEEN = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)

# The figures of the README; docs/reference/performance.md has all.
README_FIGURES = (
    "sustained, nothing lost",
    "sustained, of what mosquitto_sub receives",
    "sustained, of binary COPY",
    "publish to SSE at 80%",
    "publish to SSE at 1000/s",
    "processor for 1,000 messages: the system",
    "peak memory: the system",
    "history of 70 d in P1D, mean",
    "start on an empty folder",
    "works again after",
)


def documents() -> list[dict[str, Any]]:
    """Return the committed runs, the newest first."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    return sorted(found, key=lambda one: str(one["time"]), reverse=True)


def tables() -> dict[Path, str]:
    """Return the text between the marks of each page."""
    runs = documents()
    if not runs:
        return {}
    whole = "\n\n".join("\n".join(long_table(one)) for one in runs)
    return {
        CHECKOUT / "README.md": "\n".join(short_table(runs[0])),
        CHECKOUT / "docs" / "reference" / "performance.md": whole,
    }


def replace_table(page: str, table: str) -> str:
    """Return a page with this table between its marks. Raises BenchmarkError when it has no marks."""
    if not _BETWEEN.search(page):
        raise BenchmarkError(f"a page has no marks for figures: expected {BEGIN} … {END}")
    return _BETWEEN.sub(lambda _: f"{BEGIN}\n{table}\n{END}", page)


def short_table(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table in the README; related figures share a row."""
    yield machine_of(document) + ":"
    yield ""
    yield "| | |"
    yield "|---|---|"
    groups: dict[str, list[Figure]] = {}
    for figure in from_json(document["figures"]):
        if figure.name.startswith(README_FIGURES):
            groups.setdefault(figure.name.split(": ")[0] if figure.unit == "ms" else figure.name, []).append(
                figure
            )
    killed = [one for name in list(groups) if name.startswith("works again") for one in groups.pop(name)]
    for name, figures in groups.items():
        values = ", ".join(f"{_rank(one)}{format_value(one.value)}" for one in figures)
        yield f"| {name} | {values} {figures[0].unit} |"
    if killed:
        each = ", ".join(f"{one.name.split()[3]} {format_value(one.value)}" for one in killed)
        yield f"| works again after `kill -9` | {each} s |"


def long_table(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table of all figures."""
    yield f"{machine_of(document)}, at {document['time']}, commit {document['commit']}:"
    yield ""
    yield "| figure | value | unit |"
    yield "|---|---:|---|"
    for figure in from_json(document["figures"]):
        yield f"| {figure.name} | {format_value(figure.value)} | {figure.unit} |"


def machine_of(document: Mapping[str, Any]) -> str:
    """Return the machine and the city of a run."""
    machine, city = document["machine"], document["city"]
    sensors = "packs of all of an entity" if city["packs"] else "a sensor each"
    return (
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memoryBytes'] / (1 << 30):.0f} GiB, "
        f"{machine['fileSystem']}, Python {machine['python']}; {city['datastreams']:,} datastreams, "
        f"{sensors}, {city['rules']} rules; devices, services and subscriber share the machine"
    )


@click.command()
@click.option("--write", is_flag=True, help="Insert them into the pages.")
def table(*, write: bool) -> None:
    """Print the last committed run as the tables of README.md and docs/reference/performance.md."""
    for path, text in tables().items():
        if write:
            path.write_text(replace_table(path.read_text(), text))
            print(f"{path.relative_to(CHECKOUT)} has the figures")
        else:
            print(text + "\n")


def _rank(figure: Figure) -> str:
    name, _, rank = figure.name.rpartition(": ")
    return f"{rank} " if name and figure.unit == "ms" else ""
