"""The report of an attack: nothing is broken, or each promise by name."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.chaos.attack.attack import Met
from tests.chaos.attack.attackers import Turn
from tests.chaos.attack.bystanders import Bystanders, LiveDelays
from tests.chaos.attack.experiment import unexpected_errors
from tests.chaos.attack.figures import ResourceFigures, folder_bytes
from tests.chaos.attack.report import MEMORY_BYTES_MAX, AttackResult, broken_promises, report_lines
from twin.instant import SECOND


class Others:
    """Bystanders that have measured something."""

    def __init__(self, *delays_s: float) -> None:
        self.delays = LiveDelays()
        self.delays.seconds = [(number * SECOND, delay) for number, delay in enumerate(delays_s)]
        self.operator_s = [0.1]
        self.failures: dict[str, int] = {}


def judged(result: AttackResult, others: Others, figures: ResourceFigures) -> list[str]:
    return broken_promises(result, cast(Bystanders, others), figures)


@pytest.fixture
def figures(tmp_path: Path) -> ResourceFigures:
    return ResourceFigures({"api": []}, tmp_path)


@pytest.fixture
def result() -> AttackResult:
    turns = [
        Turn("takeover", SECOND, 2 * SECOND, Met({"accepted": 3})),
        Turn("flood", 2 * SECOND, 3 * SECOND, Met()),
    ]
    return AttackResult(turns=turns, quarantine={"bytes": 100}, quarantine_bytes_max=100)


def test_nothing_is_broken(result: AttackResult, figures: ResourceFigures) -> None:
    assert judged(result, Others(0.1, 0.99), figures) == []


def test_each_broken_promise_is_told(result: AttackResult, figures: ResourceFigures) -> None:
    others = Others(0.1, 1.5)
    others.failures["an operator got 503"] = 2
    result.turns[0].met.must_not("a device received messages of others")
    result.balance.faults.append("3 lost")
    result.interruptions.append("session-taken-over")
    result.quarantine = {"bytes": 126}
    result.replaced.append("api")
    figures.memory_max["api"] = MEMORY_BYTES_MAX + 1
    figures.disk_last["postgres"] = 1 << 50
    broken = "\n".join(judged(result, others, figures))
    for text in (
        "3 lost",
        "takeover: a device received messages of others (1 times)",
        "1 of 2 values of others were live after 1 s or more, the last after 1.5 s",
        "an operator got 503 (2 times)",
        "session-taken-over",
        "quarantine has 126 bytes",
        "api ended",
        "api took 1024 MiB",
        "were added on disk",
    ):
        assert text in broken
    assert len(broken.splitlines()) == 9


def test_a_run_that_measured_nothing_kept_no_promise(result: AttackResult, figures: ResourceFigures) -> None:
    assert judged(result, Others(), figures) == ["no value of others became live"]


def test_the_table_has_a_row_for_each_attack_with_the_delays_of_its_turns(
    result: AttackResult, figures: ResourceFigures
) -> None:
    lines = list(report_lines(result, cast(Bystanders, Others(0.1, 0.25, 0.75)), figures))
    assert lines[2:5] == [
        "| none yet | | | p50 0.10 s, p99 0.10 s, max 0.10 s |",
        "| takeover | 1 | accepted 3 | p50 0.25 s, p99 0.25 s, max 0.25 s |",
        "| flood | 1 |  | p50 0.75 s, p99 0.75 s, max 0.75 s |",
    ]


def test_a_later_value_counts_for_those_that_did_not_arrive() -> None:
    delays = LiveDelays()
    for instant in (1 * SECOND, 2 * SECOND, 3 * SECOND):
        delays.send(instant)
    delays.arrive(2 * SECOND, 4 * SECOND)
    assert delays.seconds == [(1 * SECOND, 3.0), (2 * SECOND, 2.0)]
    delays.end(10 * SECOND)
    assert delays.seconds[2:] == [(3 * SECOND, 7.0)]
    assert delays.between(2 * SECOND, 3 * SECOND) == [2.0]


def test_the_disk_is_counted_by_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    before = folder_bytes(tmp_path)
    (tmp_path / "a" / "b" / "file").write_bytes(bytes(1 << 20))
    assert folder_bytes(tmp_path)["a"] - before["a"] >= 1 << 20


def test_errors_that_nothing_handled_are_found_in_logs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "api.log").write_text("all well\nTask exception was never retrieved\n")
    assert unexpected_errors(tmp_path) == ["api.log: Task exception was never retrieved"]
