"""What is declared is implemented: feeds, decoders, settings, routes, roles, commands and classifiers."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import get_args

from fastapi import APIRouter
from fastapi.routing import APIRoute
from packaging.specifiers import SpecifierSet

from cities.files.schema import FEEDS, PERSONAL_FEEDS
from cities.folder_reader import read_city
from cli.command_line import COMMANDS, module_name
from ingest.decoders import registry
from runtime.settings import RoleSettings
from simulators.devices import devices_of
from simulators.truth.city_truth import CityTruth
from tests.fuzz.http_targets import api_under_test
from tests.support.cities.city_folders import write_city_folder
from tests.support.cities.sensor_city import datastream_spec, sensor_city
from tests.support.repository import PYPROJECT, ROOT, WHEEL_PACKAGES
from twin.model.role import GRANTABLE_ROLES, Role, role_includes

CLASSIFIERS: list[str] = PYPROJECT["project"]["classifiers"]
DEPENDENCIES = " ".join(PYPROJECT["project"]["dependencies"])


@cache
def modules(*packages: str) -> dict[str, ast.Module]:
    """Return the syntax tree of every module of packages, by its path."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
    }


# --- feeds and decoders ---


def test_every_feed_has_one_decoder_and_a_topic() -> None:
    for feed in FEEDS:
        decoders = [decoder for decoder in registry().values() if feed in decoder.feeds]
        assert len(decoders) == 1, f"{feed}: found {[one.name for one in decoders]}, expected one decoder"
        assert decoders[0].filters, f"{feed}: its decoder {decoders[0].name} has no topic filter"
    assert {feed for decoder in registry().values() for feed in decoder.feeds} == set(FEEDS)


def test_every_feed_has_a_simulated_device() -> None:
    for feed in FEEDS:
        plan = sensor_city(feed, datastream_spec("battery_level"))
        devices, refused = devices_of(plan, CityTruth(1, plan))
        assert devices or feed in PERSONAL_FEEDS, f"{feed}: no virtual device; {refused}"


def test_personal_feeds_can_be_redacted() -> None:
    assert set(FEEDS) >= PERSONAL_FEEDS
    redacted = {name for name, decoder in registry().items() if decoder.redact is not None}
    assert redacted == PERSONAL_FEEDS


def test_a_city_can_name_each_decoder_for_a_feed_of_its_own(tmp_path: Path) -> None:
    for name in registry():
        feeds = f"feeds:\n  - {{id: own, filter: own/+/up, decoder: {name}, deviceLevel: 1}}\n"
        folder = write_city_folder(tmp_path / name, feeds=feeds)
        assert read_city(folder).feeds[0].decoder == name


# --- settings ---


def settings_classes() -> list[type[RoleSettings]]:
    found = []
    for path in sorted(ROOT.glob("*/settings.py")):
        module = importlib.import_module(f"{path.parent.name}.settings")
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, RoleSettings)
            and value.__module__ == module.__name__
        ]
    return found


def test_every_setting_is_read() -> None:
    read = {
        node.attr
        for tree in modules(*WHEEL_PACKAGES).values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    assert len(settings_classes()) > 5
    for settings in settings_classes():
        unread = settings.model_fields.keys() - read
        assert not unread, f"{settings.__name__}: nothing reads {sorted(unread)}"


# --- routes and roles ---


def test_every_router_is_part_of_the_api() -> None:
    documented = api_under_test().paths
    routers = 0
    for name in modules("api"):
        module = importlib.import_module(name.removesuffix(".py").replace("/", "."))
        for router in [value for value in vars(module).values() if isinstance(value, APIRouter)]:
            routers += 1
            paths = [one.path for one in router.routes if isinstance(one, APIRoute) and one.include_in_schema]
            missing = set(paths) - documented.keys()
            assert not missing, f"{name}: {missing} is not included in the application"
    assert routers > 15


def test_every_operation_says_what_it_does_and_what_it_answers() -> None:
    for path, operations in api_under_test().paths.items():
        for method, operation in operations.items():
            assert operation.get("summary"), f"{method} {path}"
            assert operation["responses"], f"{method} {path}"


def test_the_page_calls_routes_that_exist() -> None:
    """A part of an address that is a variable may be anything, an action of an alarm as well."""
    documented = list(api_under_test().paths)
    called = {
        address.partition("?")[0]
        for file in (ROOT / "web/src").rglob("*")
        if file.suffix in {".ts", ".svelte"}
        for address in re.findall(r"[\"`](/v1/[^\"`]+)[\"`]", file.read_text())
    }
    assert len(called) > 5
    for address in called:
        pattern = re.sub(r"\\\$\\\{.*?\\\}", ".*", re.escape(address))
        assert any(re.fullmatch(pattern, path) for path in documented), f"{address}: the API has no such path"


def test_every_role_that_a_key_may_have_opens_something() -> None:
    """A role is needed by a route, or includes a role that is needed."""
    needed = {
        node.args[-1].value
        for tree in modules("api").values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in {"require_role", "role_includes"}
        and isinstance(node.args[-1], ast.Constant)
    }
    for role in GRANTABLE_ROLES:
        assert any(one in needed and role_includes(role, one) for one in get_args(Role)), role


# --- commands and classifiers ---


def test_every_command_has_a_module() -> None:
    for name in COMMANDS:
        module = importlib.import_module(module_name(name))
        assert module.__doc__


def test_a_typed_package_marks_itself() -> None:
    assert "Typing :: Typed" in CLASSIFIERS
    unmarked = [package for package in WHEEL_PACKAGES if not (ROOT / package / "py.typed").exists()]
    assert not unmarked, f"{unmarked}: add py.typed"


def test_classifiers_agree_with_the_project() -> None:
    supported = SpecifierSet(PYPROJECT["project"]["requires-python"])
    versions = [one.rpartition(" ")[2] for one in CLASSIFIERS if re.search(r"Python :: 3\.\d+$", one)]
    assert versions
    assert all(version in supported for version in versions)
    lowest = min(versions, key=lambda version: int(version.partition(".")[2]))
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
    frameworks = [one.rpartition(" ")[2].lower() for one in CLASSIFIERS if one.startswith("Framework")]
    assert all(framework in DEPENDENCIES for framework in frameworks)
    alpha = "Development Status :: 3 - Alpha" in CLASSIFIERS
    assert alpha == PYPROJECT["project"]["version"].startswith("0.")
    # The packages have names such as `api`, which would collide with others in a public registry.
    assert "Private :: Do Not Upload" in CLASSIFIERS
