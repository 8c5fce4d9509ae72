"""CSV recordings: accepted formats, kept values, local times, and helpful errors."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from simulators.replay.recorded_data import (
    ReadOptions,
    RecordedData,
    RecordedMessage,
    RecordingError,
    Sample,
)
from simulators.replay.recording import FILE_ERRORS_MAX, build_recording, detect_format, read_files
from twin.instant import HOUR, MINUTE, Instant, parse_instant

EIGHT = parse_instant("2026-01-05T08:00:00Z")


def read(folder: Path, text: str, **options: object) -> RecordedData:
    path = folder / "recording.csv"
    path.write_text(text, encoding="utf-8")
    return read_files([path], ReadOptions(**options))  # type: ignore[arg-type]


def samples(folder: Path, text: str, **options: object) -> list[Sample]:
    return read(folder, text, **options).samples


def test_a_long_table_names_property_and_value(tmp_path: Path) -> None:
    text = (
        "time,sensor,property,value\n2026-01-05T08:00:00Z,aq-1,pm2_5,11.2\n2026-01-05T08:00:00Z,aq-1,no2,31\n"
    )
    assert samples(tmp_path, text) == [
        Sample(EIGHT, "aq-1", "pm2_5", 11.2),
        Sample(EIGHT, "aq-1", "no2", 31.0),
    ]


def test_a_wide_table_has_a_column_for_each_field(tmp_path: Path) -> None:
    text = "time,sensor,pm2_5,no2\n2026-01-05T08:00:00Z,aq-1,11.2,31\n"
    assert [(one.field, one.value) for one in samples(tmp_path, text)] == [("pm2_5", 11.2), ("no2", 31.0)]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("station,time,pm25\nNL1,2026-01-05T08:00:00Z,11.2\n", {"sensor": "aq-1", "field": "pm2_5"}),
        ("station,time,pm25\nNL1,2026-01-05T08:00:00Z,11.2\n",
         {"sensors": {"NL1": "aq-1"}, "fields": {"pm25": "pm2_5"}}),
        ("timestamp,value\n2026-01-05T08:00:00Z,11.2\n", {"sensor": "aq-1", "field": "pm2_5"}),
        ("Datum;Tijd;Waarde\n2026-01-05;09:00;11,2\n",
         {"sensor": "aq-1", "field": "pm2_5", "timezone": "Europe/Amsterdam"}),
        ("datum_tijd\tmeetpunt\tpm2_5\n05-01-2026 09:00\taq-1\t11,2\n", {"timezone": "Europe/Amsterdam"}),
        ("location,city,utc,parameter,value,unit\naq-1,Alkmaar,2026-01-05T08:00:00Z,pm2_5,11.2,µg/m³\n", {}),
        ("# made by hand\n\nwhen,who,junk,x\n1767600000,aq-1,word,11.2\n",
         {"time_column": "when", "sensor_column": "who", "value_column": "x", "field": "pm2_5"}),
        ("station_number,value,timestamp_measured,formula\naq-1,11.2,2026-01-05T09:00:00+01:00,pm2_5\n", {}),
        ("time,sensor,pm2_5\n202601050800,aq-1,\"11,2\"\n", {"timezone": "UTC"}),
        ("time,sensor,pm2_5\n1767600000000,aq-1,11.2\n", {}),
        ("time,sensor,pm2_5\n2026/1/5 8:00,aq-1,11.2\n", {"timezone": "UTC"}),
        ("AirQualityStation,AirPollutant,Concentration,DatetimeBegin\n"
         "aq-1,pm2_5,11.2,2026-01-05 09:00:00 +01:00\n", {}),
        ("time,sensor,pm2_5\n2026-01-05 08:00:00 UTC,aq-1,11.2\n", {}),
        ("\ufefftime,sensor,no2,pm2_5\r\n2026-01-05T08:00:00Z,aq-1,3,11.2\r\n", {"field": "pm2_5"}),
    ],
)  # fmt: skip
def test_public_formats_give_equal_samples(tmp_path: Path, text: str, options: dict[str, object]) -> None:
    assert samples(tmp_path, text, **options) == [Sample(EIGHT, "aq-1", "pm2_5", 11.2)]


def test_negative_values_and_repeated_times_are_kept_and_missing_ones_counted(tmp_path: Path) -> None:
    rows = ["-15.8", "-15.8", "3.0", "", "NaN", "-", "x"]
    text = "time,sensor,pm2_5\n" + "".join(f"2026-01-05T08:00:00Z,aq-1,{row}\n" for row in rows)
    contents = read(tmp_path, text, missing=frozenset({"x"}))
    assert [one.value for one in contents.samples] == [-15.8, -15.8, 3.0]
    assert contents.skipped == {("aq-1", "missing"): 4}


def night(*walls: str) -> str:
    return "time,sensor,level\n" + "".join(f"2026-10-25 {wall},wl-1,0.5\n" for wall in walls)


def hours(folder: Path, *walls: str) -> list[str]:
    found = samples(folder, night(*walls), timezone="Europe/Amsterdam")
    midnight = parse_instant("2026-10-25T00:00:00Z")
    return [f"{(one.time - midnight) // HOUR}:{(one.time - midnight) % HOUR // MINUTE:02}" for one in found]


def test_the_order_resolves_the_repeated_hour(tmp_path: Path) -> None:
    quarters = [f"0{hour}:{minute:02}" for hour in (2, 2, 3) for minute in (0, 15, 30, 45)]
    expected = [f"{hour}:{minute:02}" for hour in (0, 1, 2) for minute in (0, 15, 30, 45)]
    assert hours(tmp_path, *quarters) == expected
    assert hours(tmp_path, *reversed(quarters)) == expected[::-1]


def test_two_hourly_lines_with_equal_times_are_two_hours(tmp_path: Path) -> None:
    assert hours(tmp_path, "01:00", "02:00", "02:00", "03:00") == ["-1:00", "0:00", "1:00", "2:00"]


def test_a_repeated_time_within_a_pass_is_a_repetition_and_no_second_pass(tmp_path: Path) -> None:
    found = hours(tmp_path, "02:00", "02:15", "02:15", "02:30", "02:00", "02:15", "03:00")
    assert found == ["0:00", "0:15", "0:15", "0:30", "1:00", "1:15", "2:00"]
    assert hours(tmp_path, "02:00", "02:15", "02:15", "02:30") == ["0:00", "0:15", "0:15", "0:30"]


def test_each_series_is_resolved_separately(tmp_path: Path) -> None:
    walls = ["02:00", "02:30", "02:00", "02:30"]
    rows = [f"2026-10-25 {wall},{sensor},0.5\n" for wall in walls for sensor in ("wl-1", "wl-2")]
    found = samples(tmp_path, "time,sensor,level\n" + "".join(rows), timezone="Europe/Amsterdam")
    for sensor in ("wl-1", "wl-2"):
        times = [one.time for one in found if one.sensor == sensor]
        assert [b - a for a, b in pairwise(times)] == [30 * MINUTE] * 3


@pytest.mark.parametrize(
    ("text", "options", "expected_text"),
    [
        ("", {}, "the file is empty, expected a header"),
        ("a,b\n1,2\n", {}, "line 1: found the columns ['a', 'b'], expected one of time, timestamp"),
        ("time,pm2_5\n2026-01-05T08:00:00Z,1\n", {}, "but none with the sensor; use --sensor-column NAME"),
        ("time,sensor\n2026-01-05T08:00:00Z,x\n", {}, "expected one with values"),
        ("time,sensor,a,b\n2026-01-05T08:00:00Z,x,1,2\n", {"field": "c"}, "add --value-column NAME"),
        ("time,sensor,a\n2026-01-05T08:00:00Z,x,1\n", {"value_column": "c"}, "expected 'c' among them"),
        ("time,sensor,a\n2026-01-05 08:00,x,1\n", {}, "line 2: the time 2026-01-05 08:00:00 has no offset"),
        ("time,sensor,a\nyesterday,x,1\n", {}, "line 2: the time is 'yesterday', expected one such as"),
        ("time,sensor,a\n2026-01-05T08:00:00Z,x,high\n", {}, "line 2: a is 'high', expected a number"),
        ("time,sensor,a\n2026-01-05T08:00:00Z,x,1\n2026-01-05T08:0", {}, "line 3: found 1 cells, expected 3"),
        ("time,sensor,a\n2026-01-05T08:00:00Z,x,\"1\n", {}, "not CSV"),
        ("time,sensor,a\n2026-01-05T08:00:00Z,x,\n", {}, "has no value to send (1 are missing"),
        ("time,sensor,property,value\n2026-01-05T08:00:00Z,x,a,1\n2026-01-05T08:00:00Z,x,b,1\n",
         {"field": "c"}, "line 3: found the properties a, b, but one --field for all"),
    ],
)  # fmt: skip
def test_the_error_of_a_wrong_file_has_place_reason_and_remedy(
    tmp_path: Path, text: str, options: dict[str, object], expected_text: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        read(tmp_path, text, **options)
    assert expected_text in str(caught.value)


def test_the_error_of_a_file_that_is_not_utf_8_says_how_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes("time,sensor,température\n".encode("latin-1"))
    with pytest.raises(RecordingError, match="not UTF-8; convert it"):
        read_files([path], ReadOptions())


def payloads(contents: RecordedData, **options: object) -> list[object]:
    recording = build_recording(contents, city="alkmaar", **options)  # type: ignore[arg-type]
    return [json.loads(one.payload) for one in recording.messages]


def test_fields_of_one_time_share_a_message_and_a_repetition_follows_it(tmp_path: Path) -> None:
    text = (
        "time,sensor,pm2_5,no2\n2026-01-05T09:00:00Z,aq-1,1,2\n2026-01-05T08:00:00Z,aq-1,3,4\n"
        "2026-01-05T08:00:00Z,aq-2,5,6\n2026-01-05T08:00:00Z,aq-1,7,\n"
    )
    recording = build_recording(read(tmp_path, text), city="alkmaar")
    assert [
        (one.topic, json.loads(one.payload)["values"], one.time - EIGHT) for one in recording.messages
    ] == [
        ("livetwin/alkmaar/aq-1/observations", {"pm2_5": 3.0, "no2": 4.0}, 0),
        ("livetwin/alkmaar/aq-1/observations", {"pm2_5": 7.0}, 0),
        ("livetwin/alkmaar/aq-2/observations", {"pm2_5": 5.0, "no2": 6.0}, 0),
        ("livetwin/alkmaar/aq-1/observations", {"pm2_5": 1.0, "no2": 2.0}, HOUR),
    ]


def test_a_correction_has_the_last_of_repeated_values(tmp_path: Path) -> None:
    lines = ["time,sensor,pm2_5", "2026-01-05T08:00:00Z,aq-1,3", "2026-01-05T08:00:00Z,aq-1,2"]
    recording = build_recording(read(tmp_path, "\n".join(lines)), city="alkmaar", correction=True)
    (message,) = recording.messages
    assert json.loads(message.payload)["values"] == {"pm2_5": 2.0}
    assert recording.skipped == {("aq-1", "repeated: the last one is sent"): 1}


def test_recorded_messages_are_no_correction() -> None:
    contents = RecordedData(messages=[RecordedMessage(EIGHT, "airrohr/17", b"{}")])
    with pytest.raises(
        RecordingError, match="found 1 recorded messages, but a correction consists of values"
    ):
        build_recording(contents, city="alkmaar", correction=True)


def test_a_recording_can_be_shifted_to_end_at_an_instant(tmp_path: Path) -> None:
    text = "time,sensor,a\n2026-01-05T08:00:00Z,x,1\n2026-01-05T09:00:00Z,x,2\n"
    end: Instant = parse_instant("2026-11-24T12:00:00Z")
    contents = read(tmp_path, text)
    assert payloads(contents, end=end) == [
        {"time": "2026-11-24T11:00:00Z", "values": {"a": 1.0}},
        {"time": "2026-11-24T12:00:00Z", "values": {"a": 2.0}},
    ]


def test_a_given_unit_is_sent_in_senml(tmp_path: Path) -> None:
    contents = read(tmp_path, "time,sensor,level\n2026-01-05T08:00:00Z,wl-1,-143\n")
    assert payloads(contents, unit="cm") == [[{"n": "level", "u": "cm", "v": -143.0, "t": 1767600000}]]


@pytest.mark.parametrize(
    ("name", "start", "expected"),
    [
        ("a.csv", "time,sensor", "csv"),
        ("a.txt", '\ufeff  {"time":', "jsonl"),
        ("a.csv", "<?xml", "fews-pi"),
        ("a.jsonl", "", "jsonl"),
    ],
)
def test_the_format_follows_from_the_content(tmp_path: Path, name: str, start: str, expected: str) -> None:
    path = tmp_path / name
    path.write_text(start, encoding="utf-8")
    assert detect_format(path) == expected


def stations(folder: Path, *, column: bool) -> list[Path]:
    """Return files of three stations with the same hours, each in descending order."""
    paths = []
    for number in range(3):
        header = "time,station,pm2_5" if column else "time,pm2_5"
        station = f"NL0{number}," if column else ""
        lines = [f"2026-01-05T{hour:02}:00:00Z,{station}{10 * number + hour}" for hour in (10, 9, 8)]
        path = folder / f"NL0{number}.csv"
        path.write_text("\n".join([header, *lines]))
        paths.append(path)
    return paths


@pytest.mark.parametrize("column", [True, False])
def test_the_values_of_many_files_are_merged_in_the_order_of_time(tmp_path: Path, column: bool) -> None:
    options = ReadOptions(sensors={"NL02": "aq-2"}, sensor_from_name=not column)
    recording = build_recording(read_files(stations(tmp_path, column=column), options), city="alkmaar")
    assert [
        (one.source, one.time - EIGHT, json.loads(one.payload)["values"]) for one in recording.messages
    ] == [
        (sensor, hour * HOUR, {"pm2_5": 10.0 * number + 8 + hour})
        for hour in range(3)
        for number, sensor in enumerate(("NL00", "NL01", "aq-2"))
    ]


def test_each_file_that_cannot_be_read_is_reported_with_its_line(tmp_path: Path) -> None:
    good, *wrong = stations(tmp_path, column=True)
    wrong[0].write_text(wrong[0].read_text().replace(",19", ",much"))
    wrong[1].write_text(wrong[1].read_text().replace("T08", "T8am"))
    missing = tmp_path / "missing.csv"
    with pytest.raises(ExceptionGroup) as raised:
        read_files([wrong[0], good, missing, wrong[1]], ReadOptions())
    first, second, third = raised.value.exceptions
    assert str(first).startswith(f"{wrong[0]}, line 3: pm2_5 is 'much', expected a number")
    assert isinstance(second, FileNotFoundError)
    assert str(third).startswith(f"{wrong[1]}, line 4: the time is '2026-01-05T8am:00:00Z'")


def test_the_number_of_reported_files_is_bounded(tmp_path: Path) -> None:
    missing = [tmp_path / f"{number}.csv" for number in range(FILE_ERRORS_MAX + 5)]
    with pytest.raises(ExceptionGroup) as raised:
        read_files(missing, ReadOptions())
    assert len(raised.value.exceptions) == FILE_ERRORS_MAX
