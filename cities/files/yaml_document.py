"""YAML with line numbers: plain data, and the line of every place in it.

Only what JSON can express is accepted: text, finite numbers, booleans, null, lists, and mappings with text
keys, each key once. Aliases are refused, because a few of them can expand to gigabytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from cities.files.faults import CityFault, describe_value

Location: TypeAlias = Sequence[str | int]
"""The path to a place in a document: keys and indices, as pydantic gives it."""

# A city of 100,000 sensors takes about 40 MB.
FILE_BYTES_MAX = 64 * 1024 * 1024
# The deepest known value, a multi-polygon, has 8 levels; attributes may nest somewhat deeper.
DEPTH_MAX = 32
INTEGER_MAX = 2**63 - 1

_TOO_DEEP = f"nested too deeply: expected at most {DEPTH_MAX} levels"
# Fewer characters cannot nest deep enough to exhaust the stack.
_COMPOSED_CHARACTERS_MAX = 10_000

_TAG = "tag:yaml.org,2002:"
_CONSTRUCTOR = yaml.constructor.SafeConstructor()


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One YAML file: its data and the line of each place in it."""

    file: str
    data: Any
    root: yaml.Node | None

    def line(self, location: Location) -> int:
        """Return the line of a place, counted from 1; if it is missing, of the nearest place around it."""
        node, line = self.root, 1
        if node is None:
            return line
        for step in location:
            if isinstance(node, yaml.MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == step), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def fault_at(self, location: Location, message: str) -> CityFault:
        """Return a fault at a place; its subject is the listed item that contains the place."""
        subject, rest = self._subject(location)
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest).lstrip(".")
        return CityFault(self.file, self.line(location), subject, f"{where}: {message}" if where else message)

    def _subject(self, location: Location) -> tuple[str, Location]:
        if not location:
            return "", ()
        if len(location) == 1 or not isinstance(location[1], int):
            return str(location[0]), location[1:]
        items = self.data.get(location[0]) if isinstance(self.data, dict) else None
        item = items[location[1]] if isinstance(items, list) and location[1] < len(items) else None
        name = None
        if isinstance(item, dict):
            name = item.get("id", item.get("name", item.get("sensor")))
        label = f" {name}" if isinstance(name, str) else ""
        return f"{location[0]}[{location[1]}]{label}", location[2:]


def load_yaml(path: Path) -> tuple[YamlDocument | None, list[CityFault]]:
    """Return a file's document, or None if it is no YAML, and its faults."""
    file = str(path)
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            return None, [
                CityFault(file, 1, "", f"file is too large: expected at most {FILE_BYTES_MAX} bytes")
            ]
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        return None, [CityFault(file, 1, "", f"file cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [
            CityFault(file, line, "", f"text is not UTF-8: found byte 0x{content[error.start]:02x}")
        ]
    try:
        _check_depth(text)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        return None, [_syntax_fault(file, error)]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return None, [CityFault(file, line, "", f"YAML syntax: {error.reason}")]
    builder = _Builder(file)
    data = builder.build(root, 0) if root is not None else None
    return YamlDocument(file, data, root), builder.faults


def _check_depth(text: str) -> None:
    """Raise a MarkedYAMLError if a text is nested too deeply.

    The composer recurses for each level, in C: some ten thousand levels crash the process.
    """
    if len(text) <= _COMPOSED_CHARACTERS_MAX:
        return
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                start = event.start_mark
                mark = yaml.Mark("", start.index, start.line, start.column, None, 0) if start else None
                raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax_fault(file: str, error: yaml.MarkedYAMLError) -> CityFault:
    mark = error.problem_mark or error.context_mark
    context = f" {error.context}" if error.context else ""
    column = f" (column {mark.column + 1})" if mark else ""
    return CityFault(file, mark.line + 1 if mark else 1, "", f"YAML syntax: {error.problem}{context}{column}")


class RefusedValue:
    """Stands for a refused value, so that it is not reported again as a wrong type."""


REFUSED = RefusedValue()


class _Builder:
    """Converts nodes into data; what it refuses becomes a fault and `REFUSED`."""

    def __init__(self, file: str) -> None:
        self.faults: list[CityFault] = []
        self._file = file
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, depth: int, place: yaml.Node | None = None) -> Any:
        """Return a node's data. `place` is where the node is used: an alias has no place of its own."""
        if id(node) in self._seen:
            return self._refuse(
                place or node, "found an alias, a reference to another place; expected it written out"
            )
        self._seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if depth >= DEPTH_MAX:
            return self._refuse(node, _TOO_DEEP)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, depth + 1, node) for item in node.value]
        return self._mapping(node, depth)

    def _mapping(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self.build(key_node, depth + 1)
            value = self.build(value_node, depth + 1, key_node)
            if not isinstance(key, str):
                if key is not REFUSED:
                    self._refuse(
                        key_node, f"key: found {describe_value(key)}, expected text; put it in quotes"
                    )
            elif key in data:
                self._refuse(key_node, f"key {key!r} is written twice: first in line {lines[key]}")
            else:
                data[key] = value
                lines[key] = key_node.start_mark.line + 1
        return data

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        tag = node.tag.removeprefix(_TAG)
        if tag in ("str", "timestamp"):  # YAML 1.2 has no times: an unquoted one is a text
            if "\0" in node.value:
                return self._refuse(node, "text holds a NUL character, which no database takes")
            return node.value
        if tag == "null":
            return None
        if tag in ("bool", "int", "float"):
            return self._number(node, tag)
        return self._refuse(
            node, f"found {describe_value(node.value)} of YAML type {tag}, expected text; put it in quotes"
        )

    def _number(self, node: yaml.ScalarNode, tag: str) -> Any:
        try:
            value = getattr(_CONSTRUCTOR, f"construct_yaml_{tag}")(node)
        except (ValueError, KeyError):
            return self._refuse(
                node, f"found {describe_value(node.value)}, expected a value of YAML type {tag}"
            )
        if not math.isfinite(value) if tag == "float" else abs(value) > INTEGER_MAX:
            return self._refuse(
                node, f"found {describe_value(node.value)}, expected a finite number of 64 bits"
            )
        return value

    def _refuse(self, node: yaml.Node, message: str) -> RefusedValue:
        self.faults.append(CityFault(self._file, node.start_mark.line + 1, "", message))
        return REFUSED
