"""The bills of a release: the Python application, the page, and the container images."""

from __future__ import annotations

import datetime as dt
import platform
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from release.bill import SUFFIX, Bill, Component
from release.image_components import ImageContent, image_components
from release.page_components import page_components
from release.python_components import python_components


def bills(
    root: Path, *, built: dt.datetime, commit: str, image: ImageContent | None = None
) -> dict[str, Bill]:
    """Return the bill of each part by the name of its file.

    `root` is a checkout after set-up; `image` is what LiveTwin's image answered, if it was asked. Raise
    BillError if something that belongs into a bill is not installed.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    version: str = project["version"]
    facts = {"commit": commit}
    distributions, direct = python_components(project)
    packages, imported = page_components(root / "web")
    images = image_components(root, version, image)
    parts = {
        "python": Bill(
            subject=_subject(project, "livetwin", "pypi", uses=direct),
            components=distributions,
            built=built,
            # Requirements depend on the interpreter, and wheels on the platform.
            properties={
                **facts,
                "python": _python(),
                "platform": f"{platform.system()} {platform.machine()}",
            },
        ),
        "page": Bill(
            subject=_subject(project, "livetwin-web", "npm", uses=imported),
            components=packages,
            built=built,
            properties=facts,
        ),
        "images": Bill(
            subject=_subject(
                project,
                "livetwin-images",
                "generic",
                uses=[one.ref for one in images if one.kind == "container"],
            ),
            components=images,
            built=built,
            properties=facts,
        ),
    }
    return {f"livetwin-{version}-{name}{SUFFIX}": bill for name, bill in parts.items()}


def write_bills(found: dict[str, Bill], folder: Path) -> list[Path]:
    """Write bills to a folder, each checked against the schema; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, bill in found.items():
        (folder / name).write_text(bill.text())
        files.append(folder / name)
    return files


def _subject(project: dict[str, Any], name: str, kind: str, *, uses: Iterable[str]) -> Component:
    return Component(
        kind="application",
        name=name,
        version=project["version"],
        purl=PackageURL(kind, name=name, version=project["version"]).to_string(),
        licences=(project["license"],),
        uses=tuple(uses),
        aggregate="complete",
    )


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])
