"""The Python client as a distribution: its types are those of the API, its version that of the project."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, get_args

import pytest
from packaging.requirements import Requirement

import livetwin_client
from api.live.events import SentEventName
from livetwin_client import api_types
from livetwin_client.live_stream import EVENT_NAMES
from tests.standards.python_client_types import TARGET, SchemaTypeError, python_client_types
from tests.standards.served_document import served_document
from tests.support.repository import PYPROJECT, ROOT

FOLDER = ROOT / "clients/python"
PROJECT: dict[str, Any] = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]


async def test_the_types_are_those_of_the_api() -> None:
    written = python_client_types(json.loads(await served_document()))
    assert TARGET.read_text() == written, (
        "the API has changed: run `.venv/bin/python -m tests.standards.python_client_types`"
    )


async def test_a_schema_without_a_type_is_an_error() -> None:
    document = json.loads(await served_document())
    document["components"]["schemas"]["StateData"]["properties"]["value"] = {"not": {}}
    with pytest.raises(SchemaTypeError, match=r'found \{"not": \{\}\}, expected a type'):
        python_client_types(document)


def test_the_types_are_those_of_a_type_checker() -> None:
    """A member that may be missing is not required; a member named by a keyword is possible."""
    assert "complete" in api_types.SnapshotState.__optional_keys__
    assert "value" in api_types.SnapshotState.__required_keys__
    assert {"in", "name"} <= api_types.RequestFault.__required_keys__
    assert api_types.HistoryQuery.__required_keys__ == {"property"}
    assert "cursor" not in api_types.LiveQuery.__annotations__


def test_the_client_knows_every_event() -> None:
    assert set(get_args(SentEventName)) == EVENT_NAMES


def test_what_is_exported_is_sorted_and_complete() -> None:
    public = [
        name
        for name, value in vars(livetwin_client).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    ]
    assert livetwin_client.__all__ == sorted(public)


def test_the_version_is_that_of_the_project() -> None:
    assert livetwin_client.__version__ == PYPROJECT["project"]["version"]
    assert PROJECT["requires-python"] == PYPROJECT["project"]["requires-python"]


def test_its_dependencies_are_tested_in_the_versions_that_it_names() -> None:
    listed = PYPROJECT["project"]["optional-dependencies"]["dev"]
    known = {Requirement(one).name: Requirement(one).specifier for one in listed}
    for text in PROJECT["dependencies"]:
        assert known[Requirement(text).name] == Requirement(text).specifier


def test_the_wheel_has_every_module_and_its_marker(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=FOLDER, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    assert wheel.name == f"livetwin_client-{livetwin_client.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (licence,) = [name for name in names if name.endswith("/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    modules = {str(path.relative_to(FOLDER)) for path in (FOLDER / "livetwin_client").glob("*.py")}
    assert modules | {"livetwin_client/py.typed"} == {
        name for name in names if name.startswith("livetwin_client/")
    }
