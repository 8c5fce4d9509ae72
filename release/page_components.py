"""The npm packages that can be in the built page, from the lock that npm keeps of what it installed.

The page is a bundle: of these packages it contains the parts that are used. What only builds it (Vite,
TypeScript) is not in the bill.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path, PurePosixPath
from typing import Any

from packageurl import PackageURL

from release.bill import BillError, Component

LOCK = Path("node_modules/.package-lock.json")
_FOLDER = "node_modules/"


def page_components(web: Path) -> tuple[list[Component], list[str]]:
    """Return the packages of the page in `web`, and the references of those that it imports itself.

    Raise BillError if they are not installed.
    """
    try:
        lock: dict[str, dict[str, Any]] = json.loads((web / LOCK).read_text())["packages"]
    except FileNotFoundError as error:
        raise BillError(f"{web / LOCK} is missing: run `make setup`") from error
    wanted = json.loads((web / "package.json").read_text())["dependencies"]
    # npm marks what only tools of the build need.
    delivered = {
        place: entry for place, entry in lock.items() if not entry.get("dev") and not entry.get("devOptional")
    }
    found: dict[str, Component] = {}
    for place, entry in delivered.items():
        purl = _purl(place, entry)
        found[purl] = Component(
            kind="library",
            name=place.rpartition(_FOLDER)[2],
            version=entry["version"],
            purl=purl,
            licences=(_licence(web / place, entry),),
            digests=_digests(entry.get("integrity", "")),
            uses=tuple(_uses(place, entry, delivered)),
        )
    return list(found.values()), [_purl(f"{_FOLDER}{name}", delivered[f"{_FOLDER}{name}"]) for name in wanted]


def _purl(place: str, entry: dict[str, Any]) -> str:
    namespace, _, name = place.rpartition(_FOLDER)[2].rpartition("/")
    return PackageURL("npm", namespace or None, name, entry["version"]).to_string()


def _licence(folder: Path, entry: dict[str, Any]) -> str:
    if "license" in entry:
        return str(entry["license"])
    stated = json.loads((folder / "package.json").read_text()).get("license", "")
    return stated if isinstance(stated, str) else str(stated.get("type", ""))


def _digests(integrity: str) -> tuple[tuple[str, str], ...]:
    """Return the digests of the package's archive, by which npm checked the download."""
    names = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
    pairs = (text.split("-", 1) for text in integrity.split())
    return tuple((names[algorithm], base64.b64decode(digest).hex()) for algorithm, digest in pairs)


def _uses(place: str, entry: dict[str, Any], delivered: dict[str, dict[str, Any]]) -> list[str]:
    """Return the packages that a package imports: the nearest of each name, from its own folder upwards."""
    found = []
    for name in {**entry.get("dependencies", {}), **entry.get("peerDependencies", {})}:
        folder: PurePosixPath | None = PurePosixPath(place)
        while folder is not None:
            candidate = f"{folder / _FOLDER}/{name}" if str(folder) != "." else f"{_FOLDER}{name}"
            if candidate in delivered:
                found.append(_purl(candidate, delivered[candidate]))
                break
            folder = folder.parent if str(folder) != "." else None
    return found
