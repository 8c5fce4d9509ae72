"""A software bill of materials as CycloneDX 1.6 (ECMA-424) in JSON.

The same components give the same bytes: everything is sorted, the serial number is computed from the content,
and the time is that of the commit.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import fixup_id, is_expression
from cyclonedx.validation.json import JsonStrictValidator

SUFFIX = ".cdx.json"

Aggregate = Literal["complete", "incomplete", "unknown"]
"""How much of what it consists of a component lists, in the words of CycloneDX."""


class BillError(Exception):
    """A bill cannot be made, or does not follow the schema of CycloneDX."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """A component of a bill."""

    kind: Literal["application", "container", "file", "library", "operating-system"]
    name: str
    version: str = ""
    purl: str = ""
    """Package URL: the identifier by which advisories name a component."""
    author: str = ""
    licences: tuple[str, ...] = ()
    """As the component declares them: SPDX expressions, else free texts."""
    digests: tuple[tuple[str, str], ...] = ()
    """Pairs of algorithm, such as SHA-512, and hexadecimal digest."""
    parts: tuple[Component, ...] = ()
    """What is inside of it and not installed on its own."""
    uses: tuple[str, ...] = ()
    """References of the components on which it depends."""
    aggregate: Aggregate = "unknown"
    """Whether `parts`, or what a container depends on, is all that is inside of it."""
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def ref(self) -> str:
        """The reference of the component within its bill."""
        return self.purl or f"{self.kind}:{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class Bill:
    """A bill: what it is about, and all its components, direct and indirect."""

    subject: Component
    components: Sequence[Component]
    built: dt.datetime
    properties: dict[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the bill in the structure of CycloneDX."""
        ordered = sorted(self.components, key=lambda one: one.ref)
        references = [one.ref for one in ordered]
        if len(set(references)) != len(references):
            raise BillError(f"{self.subject.name}: components are listed twice: {references}")
        content: dict[str, Any] = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": self.built.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "lifecycles": [{"phase": "build"}],
                "component": _component(self.subject, parent=""),
                "properties": _properties(self.properties.items()),
            },
            "components": [_component(one, parent="") for one in ordered],
            "dependencies": [
                {"ref": one.ref, "dependsOn": sorted(set(one.uses))} for one in (self.subject, *ordered)
            ],
            "compositions": [
                {"aggregate": aggregate, "assemblies": assemblies}
                for aggregate in ("complete", "incomplete", "unknown")
                if (assemblies := [one.ref for one in (self.subject, *ordered) if one.aggregate == aggregate])
            ],
        }
        serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
        return {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "serialNumber": serial.urn,
            **content,
        }

    def text(self) -> str:
        """Return the bill as a text that follows the schema; raise BillError otherwise."""
        text = json.dumps(self.document(), indent=1, ensure_ascii=False) + "\n"
        check_schema(text)
        return text


def check_schema(text: str) -> None:
    """Raise BillError unless a text follows the schema of CycloneDX 1.6; an unknown member is a fault."""
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        raise BillError(f"the bill does not follow the schema of CycloneDX 1.6: {fault!r}")


def declared_licences(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Return licences in the structure of CycloneDX: one expression, or identifiers and names."""
    found = sorted({text.strip() for text in texts if text.strip()})
    if len(found) == 1 and fixup_id(found[0]) is None and is_expression(found[0]):
        return [{"expression": found[0]}]
    return [
        {"license": {"id": known} if (known := fixup_id(text)) is not None else {"name": text}}
        for text in found
    ]


def _component(component: Component, *, parent: str) -> dict[str, Any]:
    ref = f"{parent}#{component.ref}" if parent else component.ref
    members: dict[str, Any] = {
        "type": component.kind,
        "bom-ref": ref,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "authors": [{"name": component.author}] if component.author else [],
        "licenses": declared_licences(component.licences),
        "hashes": [{"alg": algorithm, "content": content} for algorithm, content in component.digests],
        "properties": _properties(component.properties),
        "components": [
            _component(part, parent=ref) for part in sorted(component.parts, key=lambda part: part.ref)
        ],
    }
    return {name: value for name, value in members.items() if value}


def _properties(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": f"livetwin:{name}", "value": value} for name, value in sorted(pairs)]
