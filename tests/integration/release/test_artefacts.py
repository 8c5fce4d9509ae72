"""Two builds of this commit, under different circumstances, have the same bytes, and hold what they must."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from release.bill import check_schema
from release.commit import head
from release.reproducible import build_twice, differences
from tests.support.repository import PYPROJECT, ROOT

VERSION = PYPROJECT["project"]["version"]
NAME = f"livetwin-{VERSION}"
CLIENT = f"livetwin-client-{VERSION}.tgz"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artefacts without the site of the documentation, which takes minutes; built twice and equal."""
    target = tmp_path_factory.mktemp("release") / NAME
    build_twice(ROOT, target, commit=head(ROOT), site=False)
    return target


def test_two_builds_are_equal_and_have_every_artefact(release: Path) -> None:
    assert {path.name for path in release.iterdir()} == {
        f"{NAME}.tar.gz",
        f"{NAME}-py3-none-any.whl",
        f"livetwin_client-{VERSION}-py3-none-any.whl",
        f"{NAME}-page.tar.gz",
        CLIENT,
        f"{NAME}-python.cdx.json",
        f"{NAME}-page.cdx.json",
        f"{NAME}-images.cdx.json",
        "build.json",
    }


def test_wheel_and_source_distribution_have_the_page_and_no_installed_packages(release: Path) -> None:
    with zipfile.ZipFile(release / f"{NAME}-py3-none-any.whl") as wheel:
        in_wheel = wheel.namelist()
    with tarfile.open(release / f"{NAME}.tar.gz") as source:
        in_source = source.getnames()
    assert "api/static/index.html" in in_wheel
    assert f"{NAME}/api/static/index.html" in in_source
    assert f"{NAME}/web/package.json" in in_source
    assert not [name for name in (*in_wheel, *in_source) if "node_modules" in name or "__pycache__" in name]
    assert not [name for name in in_wheel if name.startswith(("release/", "tests/", "benchmarks/"))]


def test_the_page_is_the_one_of_the_wheel(release: Path) -> None:
    with zipfile.ZipFile(release / f"{NAME}-py3-none-any.whl") as wheel:
        of_wheel = {
            name.removeprefix("api/static/"): wheel.read(name)
            for name in wheel.namelist()
            if name.startswith("api/static/")
        }
    with tarfile.open(release / f"{NAME}-page.tar.gz") as page:
        of_page = {}
        for member in page:
            content = page.extractfile(member)
            assert content is not None
            of_page[member.name.removeprefix(f"{NAME}-page/")] = content.read()
    assert of_page == of_wheel


def test_the_typescript_client_has_its_modules_with_types_and_the_licence(release: Path) -> None:
    with tarfile.open(release / CLIENT) as package:
        names = set(package.getnames())
    assert {"package/package.json", "package/LICENSE", "package/README.md"} <= names
    modules = {f"package/dist/{path.stem}" for path in (ROOT / "clients/typescript/src").glob("*.ts")}
    built = {f"{module}{ending}" for module in modules for ending in (".js", ".d.ts")}
    assert {name for name in names if name.startswith("package/dist/")} == built


def test_the_bills_follow_the_schema_and_name_the_commit(release: Path) -> None:
    commit = head(ROOT)
    for part in ("python", "page", "images"):
        text = (release / f"{NAME}-{part}.cdx.json").read_text()
        check_schema(text)
        properties = json.loads(text)["metadata"]["properties"]
        assert {"name": "livetwin:commit", "value": commit.id} in properties
    assert json.loads((release / "build.json").read_text())["commit"] == commit.id


def test_a_byte_that_differs_is_found(release: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in release.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    assert differences(release, other) == []
    wheel = other / f"{NAME}-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"\1")
    (other / "build.json").unlink()
    assert differences(release, other) == ["build.json", wheel.name]
