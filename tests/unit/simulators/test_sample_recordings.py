"""Generated recordings have the defects of real archives, and are read back exactly."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from simulators.replay import sample_recordings
from simulators.replay.recorded_data import ReadOptions, RecordedData
from simulators.replay.recording import read_files
from simulators.replay.sample_recordings import SampleRecording
from twin.instant import DAY, HOUR, MINUTE, parse_instant


def replayed(folder: Path, recording: SampleRecording, **options: str) -> RecordedData:
    path = folder / "recording"
    path.write_text(recording.text)
    return read_files([path], ReadOptions(**options))  # type: ignore[arg-type]


MAKERS = {
    "water": (sample_recordings.water_level, {}),
    "dust": (sample_recordings.fine_dust, {}),
    "transformer": (sample_recordings.transformer_load, {"timezone": "Europe/Amsterdam"}),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("seed", range(3))
def test_reading_a_recording_returns_its_sent_entries(tmp_path: Path, name: str, seed: int) -> None:
    make, options = MAKERS[name]
    recording = make(seed)
    contents = replayed(tmp_path, recording, **options)
    assert [(one.time, one.value) for one in contents.samples] == [
        (one.time, one.value) for one in recording.sent_entries()
    ]
    assert contents.skipped.total() == len(recording.entries) - len(contents.samples)


@pytest.mark.parametrize("name", MAKERS)
def test_the_seed_decides(name: str) -> None:
    make, _ = MAKERS[name]
    assert make(1) == make(1)
    assert make(1).text != make(2).text


def test_the_water_level_has_gaps_of_weeks_stuck_values_and_false_zeros_in_the_repeated_hour() -> None:
    entries = sample_recordings.water_level(1).entries
    counts = Counter(one.defect for one in entries)
    assert counts["missing"] == 19 * 96
    assert counts["stuck"] == 2 * 96 - 1
    assert [one.time for one in entries if one.defect == "false zero"] == [
        parse_instant("2017-10-29T00:00:00Z") + n * 15 * MINUTE for n in range(4)
    ]
    assert max(b.time - a.time for a, b in pairwise(entries)) == 35 * DAY + 15 * MINUTE
    assert all(-2.0 < one.value < -1.0 for one in entries if one.true and one.value is not None)
    stuck = {one.value for one in entries if one.defect == "stuck"}
    assert len(stuck) == 1


def test_fine_dust_has_negative_values_gaps_and_repeated_times() -> None:
    entries = sample_recordings.fine_dust(1).entries
    values = [one.value for one in entries if one.true and one.value is not None]
    assert sum(value < 0 for value in values) > 50
    times = Counter(one.time for one in entries)
    assert sum(count == 2 for count in times.values()) > 20
    # The one before is superseded by the one after it, which is true.
    for first, second in pairwise(entries):
        if first.defect == "superseded":
            assert (second.time, second.true) == (first.time, True)
    assert max(b.time - a.time for a, b in pairwise(entries)) == 3 * DAY + HOUR


def test_a_transformer_has_reverse_flow_and_only_the_order_resolves_its_repeated_hour(tmp_path: Path) -> None:
    recording = sample_recordings.transformer_load(1)
    assert recording.text.count("2023-10-29 02:30;") == 2
    assert min(one.value for one in recording.entries if one.value is not None) < -20.0
    contents = replayed(tmp_path, recording, timezone="Europe/Amsterdam")
    assert {one.field for one in contents.samples} == {"net_power"}
    steps = {b.time - a.time for a, b in pairwise(recording.entries)}
    assert steps == {15 * MINUTE}


def test_the_program_writes_the_recording_that_its_argument_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sample_recordings", "fine_dust"])
    sample_recordings.main()
    assert capsys.readouterr().out == sample_recordings.fine_dust(1).text
    monkeypatch.setattr(sys, "argv", ["sample_recordings", "dust"])
    with pytest.raises(SystemExit, match="expected one of water_level, fine_dust"):
        sample_recordings.main()
