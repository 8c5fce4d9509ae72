"""Every input of others, for some seconds; `python -m tests.fuzz` goes on for as long as it is told."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.engine import FIXTURES, Target, fuzz, kept, largest, tried
from tests.fuzz.mutation import ODD_TEXTS, SIZE_MAX
from tests.fuzz.targets import targets

# The same inputs in each run unless somebody asks for others: a test tells about the change, not about luck.
SEED = int(os.environ.get("FUZZ_SEED", "1"))
INPUTS = 400

TARGETS = {one.name: one for one in targets()}


@pytest.fixture(params=sorted(TARGETS))
def target(request: pytest.FixtureRequest) -> Target:
    return TARGETS[request.param]


def test_the_seeds_are_taken(target: Target) -> None:
    for data in target.seeds:
        tried(target, data)


def test_what_once_broke_a_law_breaks_it_no_more(target: Target) -> None:
    for path in target.fixtures():
        tried(target, path.read_bytes())


def test_nothing_breaks_a_law(target: Target, tmp_path: pytest.TempPathFactory) -> None:
    report = fuzz(target, SEED, inputs=INPUTS)
    assert report.crash is None, (
        f"{report.crash}; FUZZ_SEED={SEED} does it again. Mend it, and copy {kept(report.crash, tmp_path)} "
        f"to tests/fuzz/fixtures/{target.name}/"
    )
    # An engine that gets nowhere is no test.
    assert len(report.outcomes) > 1


def test_the_largest_input_ends_soon_whatever_is_repeated_in_it(target: Target) -> None:
    for data in largest([*ODD_TEXTS, *target.words[:20]], SIZE_MAX):
        tried(target, data)


def test_every_fixture_is_of_a_target() -> None:
    assert {path.name for path in FIXTURES.iterdir() if path.is_dir()} <= set(TARGETS)
