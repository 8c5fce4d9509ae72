"""Every dependency is pinned to an exact version, and its licence is compatible with ours (EUPL-1.2)."""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.support.repository import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = set(PROJECT["optional-dependencies"])

# A work under the EUPL may use and be delivered with libraries under these: permissive ones, those whose
# terms stay with their files (MPL) or with the library (LGPL, used as it is), and the EUPL's compatible ones.
COMPATIBLE = {
    "0BSD",
    "Apache",
    "Artistic",
    "BSD",
    "CC0",
    "EPL",
    "EUPL",
    "GPL",
    "ISC",
    "LGPL",
    "MIT",
    "MPL",
    "OFL",
    "PSF",
    "Repoze",
    "Zlib",
}
# Dependencies of tests and checks are not delivered, so they may have stricter licences.
NOT_DELIVERED_ONLY = {"Artistic", "GPL"}

_FAMILIES = (
    (r"Repoze", "Repoze"),
    (r"Python Software Foundation|\bPSF\b|^Python-2\.0$", "PSF"),
    (r"Mozilla|\bMPL\b", "MPL"),
    (r"Lesser General|\bLGPL", "LGPL"),
    (r"General Public|\bGPL", "GPL"),
    (r"\b0BSD\b", "0BSD"),
    (r"\bBSD\b|BSD-", "BSD"),
    (r"\bMIT\b|MIT-0", "MIT"),
    (r"Apache", "Apache"),
    (r"\bISC", "ISC"),
    (r"\bCC0", "CC0"),
    (r"Artistic", "Artistic"),
    (r"\bEPL\b|EPL-", "EPL"),
    (r"\bEUPL", "EUPL"),
    (r"Zlib", "Zlib"),
    (r"\bOFL", "OFL"),
)


def pins() -> dict[str, str]:
    lines = [
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    return dict(line.split("==") for line in lines)


def required(extras: set[str]) -> dict[NormalizedName, importlib.metadata.Distribution | None]:
    """Return all direct and indirect dependencies with some extras; None: not installed."""
    found: dict[NormalizedName, importlib.metadata.Distribution | None] = {}
    seen: set[tuple[str, str]] = set()

    def follow(requirement: Requirement) -> None:
        name = canonicalize_name(requirement.name)
        wanted = {(name, extra) for extra in ("", *requirement.extras)} - seen
        seen.update(wanted)
        if not wanted:
            return
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
            return
        for text in found[name].requires or []:  # type: ignore[union-attr]
            inner = Requirement(text)
            if any(inner.marker is None or inner.marker.evaluate({"extra": extra}) for _, extra in wanted):
                follow(inner)

    listed = [
        *PROJECT["dependencies"],
        *(one for extra in extras for one in PROJECT["optional-dependencies"][extra]),
    ]
    for text in listed:
        follow(Requirement(text))
    return found


def licences(distribution: importlib.metadata.Distribution) -> set[str]:
    """Return the families of licences that a distribution's metadata names; OR counts as all of them."""
    metadata = distribution.metadata
    texts = [
        metadata.get("License-Expression") or "",
        *(one.rpartition("::")[2] for one in metadata.get_all("Classifier", []) if "License ::" in one),
    ]
    if not any(texts):
        texts = (metadata.get("License") or "").splitlines()[:1]
    text = " ".join(texts)
    return {family for pattern, family in _FAMILIES if re.search(pattern, text)}


def test_every_pin_is_one_exact_version_and_each_distribution_is_pinned_once() -> None:
    lines = [
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    loose = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line)]
    assert loose == [], "constraints.txt holds NAME==VERSION and nothing else"
    names = [canonicalize_name(line.split("==")[0]) for line in lines]
    assert len(set(names)) == len(names)


def test_everything_that_is_needed_is_pinned_and_installed_so() -> None:
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    needed = required(EXTRAS)
    missing = sorted(needed.keys() - pinned.keys())
    assert missing == [], f"{missing}: pin them in constraints.txt"
    other = {
        name: f"{distribution.version} is installed, {pinned[name]} is pinned"
        for name, distribution in needed.items()
        if distribution is not None and distribution.version != pinned[name]
    }
    assert other == {}, f"{other}: run `make setup`"


def test_nothing_is_pinned_that_nobody_needs() -> None:
    # Requirements for another version of Python are in the metadata of installed distributions, too.
    named = {
        canonicalize_name(Requirement(text).name)
        for distribution in required(EXTRAS).values()
        if distribution is not None
        for text in distribution.requires or []
    }
    unused = {canonicalize_name(name) for name in pins()} - required(EXTRAS).keys() - named
    assert unused == set(), f"{sorted(unused)}: take them from constraints.txt"


def test_every_licence_goes_with_ours() -> None:
    delivered = required(EXTRAS - {"dev"})
    for name, distribution in required(EXTRAS).items():
        if distribution is None:
            continue
        found = licences(distribution)
        assert found, f"{name}: its metadata names no licence that is known here; look, and add its family"
        assert found <= COMPATIBLE, f"{name}: {found - COMPATIBLE}"
        if name in delivered:
            assert found - NOT_DELIVERED_ONLY, (
                f"{name}: {found} asks more than we can give with what is delivered"
            )


# --- the page ---

# Its package.json names no licence. It is a copy of jsonlint, which is under MIT; only MapLibre's tools use
# it, and it is not in the built page.
WITHOUT_LICENCE = {"@mapbox/jsonlint-lines-primitives"}


def packages() -> Iterator[tuple[Path, dict[str, Any]]]:
    for name in (
        "web",
        "clients/typescript",
        "tests/pglite",
        "tests/standards",
        "tests/issuer",
        "tests/durable_streams",
        "tests/event_source",
    ):
        folder = ROOT / name
        yield folder, json.loads((folder / "package.json").read_text())


def test_the_libraries_of_the_page_are_exact_versions() -> None:
    for folder, package in packages():
        listed = {
            **package.get("dependencies", {}),
            **package.get("devDependencies", {}),
            **package.get("overrides", {}),
        }
        loose = {name: version for name, version in listed.items() if not re.fullmatch(r"\d[\w.-]*", version)}
        assert loose == {}, f"{folder}: name exact versions"


def test_the_licences_of_the_page_go_with_ours() -> None:
    found = 0
    for file in sorted((ROOT / "web/node_modules").glob("**/package.json")):
        package = json.loads(file.read_text())
        if file.parent.parent.name.startswith("@"):
            is_package = file.parent.parent.parent.name == "node_modules"
        else:
            is_package = file.parent.parent.name == "node_modules"
        if not is_package or "version" not in package:
            continue
        found += 1
        if package["name"] in WITHOUT_LICENCE:
            continue
        text = str(package.get("license", ""))
        families = {family for pattern, family in _FAMILIES if re.search(pattern, text)}
        assert families - NOT_DELIVERED_ONLY, f"{package['name']}: {text!r} is no licence that is known here"
    assert found > 2, "web/node_modules is empty: run `make setup`"
