"""The Python distributions that LiveTwin needs to run, as installed here, with what is compiled into them.

Only what the wheel asks for counts, with the extra for traces: tools of tests and checks are installed in the
same environment, and are not delivered. Many wheels contain libraries of other languages. They name them in
bills of their own (PEP 770), which become parts here, or contain them as shared libraries, whose digests are
given.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from email.utils import parseaddr
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from cyclonedx.spdx import fixup_id
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from release.bill import BillError, Component

DELIVERED_EXTRAS = ("tracing",)
"""The extras of pyproject.toml that the image contains."""


def python_components(project: dict[str, Any]) -> tuple[list[Component], list[str]]:
    """Return all needed distributions, and the references of those that LiveTwin needs itself.

    `project` is the table of pyproject.toml. Raise BillError if a distribution is not installed.
    """
    wanted = [
        *project["dependencies"],
        *(text for extra in DELIVERED_EXTRAS for text in project["optional-dependencies"][extra]),
    ]
    graph = _Graph()
    direct = [name for text in wanted if (name := graph.follow(Requirement(text)))]
    components = [_component(found, graph) for found in graph.installed.values()]
    return components, [purl_of(graph.installed[name]) for name in direct]


def purl_of(found: Distribution) -> str:
    """Return the package URL of a distribution."""
    return PackageURL("pypi", name=canonicalize_name(found.name), version=found.version).to_string()


class _Graph:
    """The installed distributions that were asked for, and who asks for which."""

    def __init__(self) -> None:
        self.installed: dict[NormalizedName, Distribution] = {}
        self.uses: dict[NormalizedName, set[NormalizedName]] = defaultdict(set)
        self._seen: set[tuple[NormalizedName, str]] = set()

    def follow(self, requirement: Requirement) -> NormalizedName | None:
        """Add what a requirement asks for, with all its own requirements; None: not on this platform."""
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            return None
        self._add(requirement)
        return canonicalize_name(requirement.name)

    def _add(self, requirement: Requirement) -> None:
        name = canonicalize_name(requirement.name)
        extras = {extra for extra in ("", *requirement.extras) if (name, extra) not in self._seen}
        self._seen |= {(name, extra) for extra in extras}
        if not extras:
            return
        try:
            self.installed[name] = distribution(name)
        except PackageNotFoundError as error:
            raise BillError(f"{name} is needed and not installed: run `make setup`") from error
        for text in self.installed[name].requires or []:
            inner = Requirement(text)
            if any(inner.marker is None or inner.marker.evaluate({"extra": extra}) for extra in extras):
                self.uses[name].add(canonicalize_name(inner.name))
                self._add(inner)


def _component(found: Distribution, graph: _Graph) -> Component:
    shared = tuple(_shared_libraries(found))
    named = tuple(_parts_in_own_bills(found))
    return Component(
        kind="library",
        name=found.name,
        version=found.version,
        purl=purl_of(found),
        author=_author(found),
        licences=tuple(_licences(found)),
        parts=named + shared,
        uses=tuple(purl_of(graph.installed[name]) for name in graph.uses[canonicalize_name(found.name)]),
        # A compiled module may hold more than the bill of its wheel names, or have no such bill.
        aggregate="incomplete" if _is_compiled(found) else "unknown",
    )


def _author(found: Distribution) -> str:
    """Return who wrote a distribution, without the address for mail."""
    metadata = found.metadata
    texts = [metadata.get(name) or "" for name in ("Author", "Maintainer")]
    texts += [parseaddr(metadata.get(name) or "")[0] for name in ("Author-email", "Maintainer-email")]
    return next((text.strip() for text in texts if text.strip()), "")


def _licences(found: Distribution) -> Iterator[str]:
    """Yield the licences: the expression, else the classifiers, else the first line of the free text.

    Classifiers name families of licences (`BSD License`); an identifier of SPDX in the free text is exact.
    """
    metadata = found.metadata
    expression = metadata.get("License-Expression") or fixup_id(metadata.get("License") or "")
    if expression:
        yield expression
        return
    classifiers = [
        text.rpartition("::")[2].strip()
        for text in metadata.get_all("Classifier", [])
        if text.startswith("License ::") and not text.endswith(":: OSI Approved")
    ]
    yield from classifiers or (metadata.get("License") or "").splitlines()[:1]


def _is_compiled(found: Distribution) -> bool:
    return any(file.suffix in {".so", ".pyd", ".dylib"} or ".so." in file.name for file in found.files or [])


def _shared_libraries(found: Distribution) -> Iterator[Component]:
    """Yield the libraries of the system that a wheel brings in a folder of its own (`NAME.libs`)."""
    for file in found.files or []:
        if file.parts[0].endswith(".libs"):
            content = Path(str(found.locate_file(file))).read_bytes()
            yield Component(
                kind="file", name=file.name, digests=(("SHA-256", hashlib.sha256(content).hexdigest()),)
            )


def _parts_in_own_bills(found: Distribution) -> Iterator[Component]:
    """Yield what a distribution's own bills name, each once."""
    seen: set[tuple[str, str]] = set()
    for file in found.files or []:
        if ".dist-info/sboms/" not in file.as_posix() or file.suffix != ".json":
            continue
        content = json.loads(Path(str(found.locate_file(file))).read_text())
        if content.get("bomFormat") != "CycloneDX":
            continue
        for part in content.get("components", []):
            key = (part["name"], part.get("version", ""))
            if key not in seen and canonicalize_name(part["name"]) != canonicalize_name(found.name):
                seen.add(key)
                yield Component(
                    kind="library",
                    name=part["name"],
                    version=part.get("version", ""),
                    purl=_plain(part.get("purl", "")),
                    licences=tuple(_stated(part.get("licenses", []))),
                )


def _plain(purl: str) -> str:
    """Return a package URL without its qualifiers: they name where a builder fetched a package."""
    if not purl:
        return ""
    parts = PackageURL.from_string(purl)
    return PackageURL(parts.type, parts.namespace, parts.name, parts.version).to_string()


def _stated(licences: Iterable[dict[str, Any]]) -> Iterator[str]:
    for one in licences:
        inner = one.get("license", {})
        yield one.get("expression") or inner.get("id") or inner.get("name") or ""
