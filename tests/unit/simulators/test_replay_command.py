"""`livetwin replay` reports wrong usage and unreadable recordings in one line each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.command_line import run

GOOD = "time,sensor,pm2_5\n2026-01-05T08:00:00Z,aq-1,11.2\n"


@pytest.mark.parametrize(
    ("arguments", "expected_text"),
    [
        (["--speed", "0"], "expected 'max' or a number above 0"),
        (["--speed", "fast"], "found 'fast'"),
        (["--timezone", "Mars/Olympus"], "expected an IANA name such as Europe/Amsterdam"),
        (["--map", "NL1"], "--map 'NL1': expected NAME=TARGET"),
        (["--map", "=aq-1"], "expected NAME=TARGET"),
        (["--field", "a", "--field", "b"], "--field 'b': expected NAME=TARGET"),
        (["--shift", "then"], "--shift"),
        (["--shift", "now", "--correction"], "omit --shift"),
        (["--any-age"], "--any-age needs --correction"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected_text: str
) -> None:
    path = tmp_path / "dust.csv"
    path.write_text(GOOD)
    assert run(["replay", str(path), *arguments]) == 2
    assert expected_text in " ".join(capsys.readouterr().err.split())


def test_a_ports_file_of_something_else_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dust.csv"
    path.write_text(GOOD)
    ports = tmp_path / "ports.json"
    ports.write_text(json.dumps({"http": 8080}))
    assert run(["replay", str(path), "--ports-file", str(ports)]) == 2
    assert "has no port 'mqtt'" in capsys.readouterr().err


def test_an_unreadable_recording_is_one_line_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dust.csv"
    path.write_text(GOOD + "soon,aq-1,3\n")
    assert run(["replay", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}, line 3: the time is 'soon', expected one such as")


def test_several_unreadable_files_are_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"{name}.csv" for name in ("a", "b")]
    for path in paths:
        path.write_text(GOOD + "soon,aq-1,3\n")
    assert run(["replay", *map(str, paths)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": the time")[0] for line in lines] == [f"error: {one}, line 3" for one in paths]


def test_simulate_refuses_an_unknown_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--scenario", "flood"]) == 2
    assert "rush-hour" in capsys.readouterr().err
