"""Figures are stored, compared and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.report import results
from benchmarks.report.figures import Figure, as_json, comparison_lines, from_json
from benchmarks.report.table import BEGIN, END, replace_table, tables

RATE = Figure("sustained", 20_000.0, "messages/s", "more")
DELAY = Figure("publish to SSE: p99", 40.0, "ms", "less")


def lines(now: list[Figure], then: list[Figure]) -> list[str]:
    return list(comparison_lines(now, then))[1:]


def test_figures_survive_json() -> None:
    assert from_json(json.loads(json.dumps(as_json([RATE, DELAY])))) == [RATE, DELAY]


@pytest.mark.parametrize(
    ("now", "then", "end"),
    [
        (RATE._replace(value=25_000.0), RATE, "+25% better"),
        (RATE._replace(value=15_000.0), RATE, "-25% WORSE"),
        (DELAY._replace(value=80.0), DELAY, "+100% WORSE"),
        (DELAY._replace(value=10.0), DELAY, "-75% better"),
        (DELAY._replace(value=41.0), DELAY, "+2%"),
        (DELAY, DELAY._replace(value=0.0), "WORSE"),
        (DELAY._replace(value=0.0), DELAY, "better"),
    ],
)
def test_a_change_shows_its_size_and_direction(now: Figure, then: Figure, end: str) -> None:
    [line] = lines([now], [then])
    assert line.endswith(end)


def test_new_and_removed_figures_are_shown() -> None:
    new, gone = lines([RATE], [DELAY])
    assert new.startswith("sustained, messages/s")
    assert new.endswith("new")
    assert gone.startswith("publish to SSE: p99, ms")
    assert "40" in gone


def test_the_reference_run_depends_on_the_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(results, "CHECKOUT", tmp_path)
    machine = {"cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz", "cores": 2}
    assert results.reference_figures(machine) == []
    results.write_reference({"machine": machine, "figures": as_json([RATE])})
    assert [path.name for path in tmp_path.iterdir()] == ["2-cores-intel-xeon-cpu-2-20ghz.json"]
    assert results.reference_figures(machine) == [RATE]
    assert results.reference_figures({**machine, "cores": 4}) == []


def test_the_pages_show_the_last_committed_run() -> None:
    for path, table in tables().items():
        page = path.read_text()
        assert replace_table(page, table) == page, "run `python -m benchmarks table --write`"


def test_a_table_replaces_the_earlier_one() -> None:
    assert replace_table(f"a\n{BEGIN}\nold\n{END}\nb\n", "new") == f"a\n{BEGIN}\nnew\n{END}\nb\n"
