"""The bill of the page holds the packages that can be in the bundle, with the digests that npm checked."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from packageurl import PackageURL

from release.bill import BillError
from release.page_components import LOCK, page_components
from tests.support.repository import ROOT


def write_web(folder: Path, packages: dict[str, Any]) -> Path:
    (folder / LOCK).parent.mkdir(parents=True)
    (folder / LOCK).write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))
    (folder / "package.json").write_text(json.dumps({"dependencies": {"map": "1.0.0"}}))
    return folder


def entry(version: str, **members: Any) -> dict[str, Any]:
    return {"version": version, "license": "MIT", **members}


def test_tools_of_the_build_are_left_out(tmp_path: Path) -> None:
    web = write_web(
        tmp_path,
        {
            "node_modules/map": entry("1.0.0"),
            "node_modules/vite": entry("8.0.0", dev=True),
            "node_modules/shared-tool": entry("1.0.0", devOptional=True),
        },
    )
    components, imported = page_components(web)
    assert [one.purl for one in components] == ["pkg:npm/map@1.0.0"]
    assert imported == ["pkg:npm/map@1.0.0"]


def test_a_package_uses_the_nearest_version(tmp_path: Path) -> None:
    web = write_web(
        tmp_path,
        {
            "node_modules/map": entry("1.0.0", dependencies={"@scope/tile": "^2", "point": "^1"}),
            "node_modules/@scope/tile": entry("1.0.0", dependencies={"point": "^1"}),
            "node_modules/map/node_modules/@scope/tile": entry("2.0.0", dependencies={"point": "^1"}),
            "node_modules/point": entry("1.0.0"),
        },
    )
    uses = {one.purl: one.uses for one in page_components(web)[0]}
    assert uses == {
        "pkg:npm/map@1.0.0": ("pkg:npm/%40scope/tile@2.0.0", "pkg:npm/point@1.0.0"),
        "pkg:npm/%40scope/tile@1.0.0": ("pkg:npm/point@1.0.0",),
        "pkg:npm/%40scope/tile@2.0.0": ("pkg:npm/point@1.0.0",),
        "pkg:npm/point@1.0.0": (),
    }


def test_the_digest_is_that_by_which_npm_checked_the_download(tmp_path: Path) -> None:
    digest = bytes(range(64))
    web = write_web(
        tmp_path,
        {"node_modules/map": entry("1.0.0", integrity=f"sha512-{base64.b64encode(digest).decode()}")},
    )
    assert page_components(web)[0][0].digests == (("SHA-512", digest.hex()),)


def test_without_installed_packages_there_is_no_bill(tmp_path: Path) -> None:
    with pytest.raises(BillError, match="run `make setup`"):
        page_components(tmp_path)


def test_the_page_of_this_repository_is_listed_in_the_versions_of_package_json() -> None:
    components, imported = page_components(ROOT / "web")
    wanted: dict[str, str] = json.loads((ROOT / "web/package.json").read_text())["dependencies"]
    assert sorted(imported) == sorted(
        PackageURL.from_string(f"pkg:npm/{name}@{version}").to_string() for name, version in wanted.items()
    )
    assert not {one.name for one in components} & {"vite", "typescript"}
    assert all(one.digests for one in components)
