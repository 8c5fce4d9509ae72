"""Fuzzes every target for a moment; `python -m tests.fuzz` runs for any length of time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz.engine import FIXTURES, FuzzTarget, fuzz, largest_inputs, run_input, save_crash
from tests.fuzz.targets import targets

# Every run uses the same inputs unless FUZZ_SEED is set, so that a failure is due to a change.
SEED = int(os.environ.get("FUZZ_SEED", "1"))
INPUTS = 200
SECONDS = 0.15
"""Time limit of one target. A slower machine runs fewer inputs of the same sequence."""

# Words that nest, repeat, or make a regular expression search for an end.
NASTY = (
    b"[", b"[]", b'{"a":', b'{"a":1,', b"(", b"9", b"- ", b"a: ", b" ", b"\r\n", b'"', b"\\", b"/", b"a",
    b"\xff", b"<a>", b",",
    b"0-0:96.1.1(", b"1-0:1.8.1(1*kWh)\r\n", b'"unique_id":"', b'[{"v":1,"n":"a"},', b"&&",
    b"BEGIN:VEVENT\r\n", b"%41",
)  # fmt: skip

TARGETS = {one.name: one for one in targets()}


@pytest.fixture(params=sorted(TARGETS))
def target(request: pytest.FixtureRequest) -> FuzzTarget:
    return TARGETS[request.param]


def test_the_seeds_are_taken(target: FuzzTarget) -> None:
    for data in target.corpus:
        run_input(target, data)


def test_what_once_broke_a_law_breaks_it_no_more(target: FuzzTarget) -> None:
    for path in target.fixtures():
        run_input(target, path.read_bytes())


def test_nothing_breaks_a_law(target: FuzzTarget, tmp_path: Path) -> None:
    report = fuzz(target, SEED, inputs=INPUTS, seconds=SECONDS)
    assert report.crash is None, (
        f"{report.crash}; FUZZ_SEED={SEED} does it again. Mend it, and copy "
        f"{save_crash(report.crash, tmp_path)} "
        f"to tests/fuzz/fixtures/{target.name}/"
    )
    # A run with a single outcome would test nothing.
    assert len(report.outcomes) > 1 or report.inputs < INPUTS


def test_the_largest_input_ends_soon_whatever_is_repeated_in_it(target: FuzzTarget) -> None:
    for data in largest_inputs(NASTY, target.size_max):
        run_input(target, data)


def test_every_fixture_is_of_a_target() -> None:
    assert {path.name for path in FIXTURES.iterdir() if path.is_dir()} <= set(TARGETS)
