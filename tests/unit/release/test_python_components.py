"""The bill of the Python application holds what is delivered, in the installed versions, and nothing else."""

from __future__ import annotations

import hashlib
from importlib.metadata import distribution, version

import pytest
from packaging.utils import canonicalize_name

from release.bill import BillError, Component
from release.python_components import python_components
from tests.support.repository import PYPROJECT, ROOT

PROJECT = PYPROJECT["project"]


@pytest.fixture(scope="module")
def components() -> dict[str, Component]:
    return {one.name.lower(): one for one in python_components(PROJECT)[0]}


def test_every_dependency_is_listed_in_the_installed_version(components: dict[str, Component]) -> None:
    for name in ("fastapi", "faust-streaming", "opentelemetry-sdk", "psycopg-binary", "numpy"):
        assert components[name].version == version(name), name
        assert components[name].purl == f"pkg:pypi/{name}@{version(name)}"


def test_tools_of_tests_and_checks_are_not_listed(components: dict[str, Component]) -> None:
    assert not components.keys() & {"pytest", "ruff", "mypy", "sphinx", "hypothesis", "cyclonedx-python-lib"}


def test_every_component_is_pinned_in_the_same_version(components: dict[str, Component]) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    other = [
        one.purl for one in components.values() if pinned.get(canonicalize_name(one.name)) != one.version
    ]
    assert other == [], "these are installed in another version than constraints.txt pins: run `make setup`"


def test_every_component_leads_to_one_that_is_listed(components: dict[str, Component]) -> None:
    listed = {one.purl for one in components.values()}
    assert {use for one in components.values() for use in one.uses} <= listed
    _, direct = python_components(PROJECT)
    reached, waiting = set(direct), list(direct)
    uses = {one.purl: one.uses for one in components.values()}
    while waiting:
        new = set(uses[waiting.pop()]) - reached
        reached |= new
        waiting += new
    assert reached == listed, "each component is there because another one, or LiveTwin, needs it"


def test_every_component_has_a_licence(components: dict[str, Component]) -> None:
    assert [one.name for one in components.values() if not any(one.licences)] == []


def test_what_is_compiled_into_a_wheel_is_listed_from_the_wheels_own_bill(
    components: dict[str, Component],
) -> None:
    parts = {part.name: part for part in components["cryptography"].parts}
    assert parts["openssl"].purl == f"pkg:generic/openssl@{parts['openssl'].version}"
    assert components["cryptography"].aggregate == "incomplete"


def test_shared_libraries_of_a_wheel_are_listed_with_their_digest(components: dict[str, Component]) -> None:
    parts = {part.name: part for part in components["psycopg-binary"].parts if part.kind == "file"}
    libpq = next(name for name in parts if name.startswith("libpq"))
    found = distribution("psycopg-binary")
    content = next(file for file in found.files or [] if file.name == libpq).read_binary()
    assert parts[libpq].digests == (("SHA-256", hashlib.sha256(content).hexdigest()),)


def test_a_dependency_that_is_not_installed_is_an_error() -> None:
    project = {
        "dependencies": ["no-such-distribution-is-installed>=1"],
        "optional-dependencies": {"tracing": []},
    }
    with pytest.raises(BillError, match="no-such-distribution-is-installed is needed and not installed"):
        python_components(project)


def test_a_dependency_of_another_platform_is_left_out() -> None:
    project = {
        "dependencies": ["no-such-distribution>=1; sys_platform == 'none'", "click"],
        "optional-dependencies": {"tracing": []},
    }
    assert [one.name for one in python_components(project)[0]] == ["click"]
