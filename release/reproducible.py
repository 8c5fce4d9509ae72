"""Builds a release twice under different circumstances, and compares the results byte for byte."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from release.artefacts import BuildError, build_artefacts
from release.commit import Commit, extract
from release.image_components import ImageContent

# Names of folders, time zones, languages and seeds of hashes that differ, so that a build that depends on one
# of them is found here and not by the buyer.
CIRCUMSTANCES: dict[str, dict[str, str]] = {
    "first": {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
    "the-second-build": {"TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONHASHSEED": "2"},
}


def build_twice(
    root: Path, target: Path, *, commit: Commit, image: ImageContent | None = None, site: bool = True
) -> None:
    """Build the artefacts of a commit into a new folder `target`; raise BuildError if two builds differ."""
    with tempfile.TemporaryDirectory(prefix="livetwin-release-") as scratch:
        results = []
        for name, variation in CIRCUMSTANCES.items():
            tree, built = Path(scratch, name, "source"), Path(scratch, name, "built")
            tree.mkdir(parents=True)
            extract(root, commit, tree)
            build_artefacts(
                tree,
                root / "web/node_modules",
                built,
                commit=commit,
                variation=variation,
                image=image,
                site=site,
            )
            results.append(built)
        found = differences(*results)
        if found:
            raise BuildError(f"two builds of {commit.id} differ in {', '.join(found)}; nothing was written")
        shutil.copytree(results[0], target)


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of files that only one of two folders has, or that differ in a byte."""
    names = {path.name for folder in (one, other) for path in folder.iterdir()}
    return sorted(name for name in names if _content(one / name) != _content(other / name))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
