"""The examples in CONTRIBUTING.md are whole files that work; those without services are run."""

from __future__ import annotations

import ast
import inspect
import re
import types

import pytest

from tests.simulation.scenario import Scenario
from tests.simulation.simulated_city import SimulatedCity
from tests.support.repository import ROOT

EXAMPLES: dict[str, str] = dict(
    re.findall(r"```python\n# (tests/\S+\.py)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
)
FIXTURES = set(re.findall(r"def (\w+)\(", (ROOT / "tests/conftest.py").read_text()))


def loaded(path: str) -> types.ModuleType:
    module = types.ModuleType(path.removesuffix(".py").replace("/", "."))
    exec(compile(EXAMPLES[path], path, "exec"), vars(module))
    return module


def kind_of(path: str) -> str:
    return path.split("/")[1]


def test_there_is_an_example_of_each_kind() -> None:
    folders = {one.name for one in (ROOT / "tests").iterdir() if any(one.glob("**/*.py"))}
    assert {kind_of(path) for path in EXAMPLES} == folders - {
        *("support", "docker", "golden", "standards", "durable_streams")
    }
    assert not [path for path in EXAMPLES if (ROOT / path).exists()], "an example is a new file"


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_example_loads_and_uses_fixtures_that_exist(path: str) -> None:
    module = loaded(path)
    assert ast.get_docstring(ast.parse(EXAMPLES[path]))
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("test_") and kind_of(path) in {"integration", "e2e"}:
            assert inspect.signature(function).parameters.keys() <= FIXTURES


@pytest.mark.parametrize("path", [path for path in EXAMPLES if kind_of(path) in {"unit", "property"}])
def test_an_example_without_services_passes(path: str) -> None:
    tests = [value for name, value in vars(loaded(path)).items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


def test_the_fuzz_target_takes_its_own_corpus() -> None:
    module = loaded(next(path for path in EXAMPLES if kind_of(path) == "fuzz"))
    (make,) = [value for name, value in vars(module).items() if name.endswith("_target")]
    target = make()
    assert [target.run(data) for data in (*target.corpus, b"\xff")]


def test_the_invariant_holds_in_a_run() -> None:
    module = loaded(next(path for path in EXAMPLES if kind_of(path) == "simulation"))
    (invariant,) = [
        value
        for value in vars(module).values()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    city = SimulatedCity(Scenario(seed=1))
    city.run()
    ending = city.final_state()
    assert list(invariant(ending, ending.checked())) == []
