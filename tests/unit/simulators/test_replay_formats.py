"""FEWS PI XML and JSON lines: sent and skipped values, and helpful errors."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from simulators.replay.recorded_data import ReadOptions, RecordedData, RecordingError, Sample
from simulators.replay.recording import build_recording, read_files
from tests.support.cities.city_builder import CityBuilder, Observed
from tests.support.pipelines.intake import make_intake, make_message
from twin.instant import HOUR, parse_instant
from twin.quality.quality_flags import QualityFlag, is_usable

NIGHT = parse_instant("2017-10-29T00:45:00Z")


def series(location: str, parameter: str, *events: str, missing: str = "NaN") -> str:
    return (
        f"<series><header><type>instantaneous</type><locationId>{location}</locationId>"
        f'<parameterId>{parameter}</parameterId><timeStep unit="second" multiplier="900"/>'
        f"<missVal>{missing}</missVal><units>mNAP</units></header>\n" + "\n".join(events) + "</series>"
    )


def event(time: str, value: str, flag: int = 0, date: str = "2017-10-29") -> str:
    return f'<event date="{date}" time="{time}" value="{value}" flag="{flag}"/>'


def document(*all_series: str, zone: str = "<timeZone>1.0</timeZone>", start: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{start}\n'
        f'<TimeSeries xmlns="http://www.wldelft.nl/fews/PI">{zone}{"".join(all_series)}</TimeSeries>'
    )


def read(folder: Path, text: str, **options: object) -> RecordedData:
    path = folder / "recording"
    path.write_text(text, encoding="utf-8")
    return read_files([path], ReadOptions(**options))  # type: ignore[arg-type]


def test_events_are_dated_at_the_offset_of_the_header_all_year(tmp_path: Path) -> None:
    text = document(
        series("WL", "H.meting", event("01:45:00", "-1.43"), event("12:00:00", "-1.4", date="2017-07-01"))
    )
    assert read(tmp_path, text).samples == [
        Sample(NIGHT, "WL", "H.meting", -1.43),
        Sample(parse_instant("2017-07-01T11:00:00Z"), "WL", "H.meting", -1.4),
    ]


@pytest.mark.parametrize(
    ("zone", "hours"), [("", 0.0), ("<timeZone>-3.5</timeZone>", -3.5), ("<timeZone>0</timeZone>", 0.0)]
)
def test_the_offset_may_be_any_number_of_hours_and_is_none_by_default(
    tmp_path: Path, zone: str, hours: float
) -> None:
    (sample,) = read(tmp_path, document(series("WL", "H", event("01:45:00", "1")), zone=zone)).samples
    assert sample.time == parse_instant("2017-10-29T01:45:00Z") - int(hours * HOUR)


def test_missing_values_are_counted_and_not_sent(tmp_path: Path) -> None:
    events = [event(f"00:0{flag}:00", "-1.4", flag) for flag in range(10)]
    events += [event("01:00:00", "-999"), event("01:01:00", "-999.0"), event("01:02:00", "NaN")]
    events.append('<event date="2017-10-29" time="01:03:00"/>')
    contents = read(tmp_path, document(series("WL", "H", *events, missing="-999.0")))
    assert len(contents.samples) == 9
    assert contents.skipped == {("WL", "missing"): 5}


@pytest.mark.parametrize("unit", [None, "m"])
def test_the_flags_of_fews_reach_the_observations(tmp_path: Path, unit: str | None) -> None:
    """Flag 3 is doubtful: such values arrived as good ones. Completed values are estimates."""
    doubtful, estimated = QualityFlag.SOURCE_DOUBTFUL, QualityFlag.ESTIMATED
    expected = [0, 0, estimated, *[doubtful, doubtful, doubtful | estimated] * 2]
    events = [event(f"01:{flag:02}:00", "-1.4", flag) for flag in range(9)]
    contents = read(tmp_path, document(series("level-1", "H.meting", *events)))
    city = CityBuilder().entity("town", "Municipality").entity("town.canal", "Waterway")
    model = city.sensor("level-1", "town.canal", Observed("water_level", "m", "H.meting")).model()
    intake = make_intake(model)
    messages = build_recording(contents, city="town", unit=unit).messages
    for message, flags in zip(messages, expected, strict=True):
        taken = intake.process(make_message(message.payload, message.topic, message.time))
        (observation,) = taken.observations
        assert (observation.value, observation.flags) == (-1.4, flags)
        assert is_usable(observation.flags) == (not flags & doubtful)


def test_the_quality_of_recorded_samples_is_kept(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"time": 1509237899, "sensor": "a", "values": {"b": 1, "c": 2}, "quality": {"b": "doubtful"}},
        {"time": 1509237900, "sensor": "a", "values": {"b": 3}, "quality": ["estimated", "unreliable"]},
    ]
    found = read(tmp_path, "\n".join(map(json.dumps, lines))).samples
    assert [one.quality for one in found] == [("doubtful",), (), ("estimated", "unreliable")]
    lines[0]["quality"] = "odd"
    with pytest.raises(RecordingError, match="line 1: quality is 'odd', expected one of good, estimated"):
        read(tmp_path, "\n".join(map(json.dumps, lines)))


def test_each_series_of_a_file_has_its_own_sensor_and_field(tmp_path: Path) -> None:
    text = document(
        series("A", "H.meting", event("01:45:00", "1")),
        series("B", "Q.meting", event("01:45:00", "2")),
    )
    found = read(tmp_path, text, sensors={"A": "wl-1"}, fields={"H.meting": "level"}).samples
    assert found == [Sample(NIGHT, "wl-1", "level", 1.0), Sample(NIGHT, "B", "Q.meting", 2.0)]
    (first,) = {one.sensor for one in read(tmp_path, text, sensor="wl-9").samples}
    assert first == "wl-9"


@pytest.mark.parametrize(
    ("text", "options", "expected_text"),
    [
        (document(series("W", "H", event("25:00:00", "1"))), {}, "line 3: the event's date and time are"),
        (document(series("W", "H", event("01:45:00", "high"))), {}, "line 3: value is 'high', expected a"),
        (document(series("W", "H", '<event date="2017-10-29" time="01:45:00" value="1" flag="x"/>')), {},
         "line 3: flag is 'x', expected a number from 0 to 9"),
        (document(series("", "H", event("01:45:00", "1"))), {}, "the header has no <locationId>"),
        (document("<series>" + event("01:45:00", "1") + "</series>"), {}, "before the <header>"),
        (document(zone="<timeZone>CET</timeZone>"), {}, "timeZone is 'CET', expected hours ahead of UTC"),
        (document(series("W", "H", event("01:45:00", "1")))[:-20], {}, "not well-formed XML"),
        ("<html/>", {}, "found <html>, expected <TimeSeries>"),
        (document(start='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'), {},
         "found a DOCTYPE, which PI XML must not have"),
        (document(series("W", "H", event("01:45:00", "1")), series("W", "Q", event("01:45:00", "1"))),
         {"field": "level"}, "use --field PARAMETER=FIELD for each"),
        (document(series("W", "H")), {}, "has no value to send"),
    ],
)  # fmt: skip
def test_the_error_of_a_wrong_document_has_line_reason_and_remedy(
    tmp_path: Path, text: str, options: dict[str, object], expected_text: str
) -> None:
    with pytest.raises(RecordingError) as caught:
        read(tmp_path, text, **options)
    assert expected_text in str(caught.value)


def test_recorded_messages_are_played_unchanged(tmp_path: Path) -> None:
    raw = b"\x00\xffgarbage"
    lines = [
        {"time": "2017-10-29T01:45:00+01:00", "topic": "airrohr/17", "payload": {"esp8266id": "17"}},
        {"time": 1509237899, "topic": "dsmr/a/telegram", "payload": base64.b64encode(raw).decode()},
    ]
    contents = read(tmp_path, "\n".join(map(json.dumps, lines)))
    assert [
        (one.time - NIGHT, one.topic, one.payload) for one in build_recording(contents, city="x").messages
    ] == [
        (-1_000_000, "dsmr/a/telegram", raw),
        (0, "airrohr/17", b'{"esp8266id":"17"}'),
    ]


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    line = '{"time": 1509237900, "sensor": "a", "values": {"b": 1}}'
    assert read(tmp_path, "\ufeff" + line).samples == read(tmp_path, line).samples


def test_samples_by_sensor_may_nest_their_values(tmp_path: Path) -> None:
    line = {
        "time": "2017-10-29T00:45:00Z",
        "sensor": "a",
        "values": {"air": {"pm2_5": 8, "no2": None}, "on": True},
    }
    contents = read(tmp_path, json.dumps(line), sensors={"a": "aq-1"}, fields={"on": "state"})
    assert contents.samples == [Sample(NIGHT, "aq-1", "air.pm2_5", 8.0), Sample(NIGHT, "aq-1", "state", 1.0)]
    assert contents.skipped == {("aq-1", "missing"): 1}


@pytest.mark.parametrize(
    ("line", "expected_text"),
    [
        ("{", "line 2:"),
        ("[1]", 'found [1], expected {"time", "topic", "payload"} or'),
        ('{"time": "2017-10-29T00:45:00Z"}', "found the members 'time', expected"),
        ('{"time": "2017-10-29T00:45:00", "sensor": "a", "values": {}}', "expected one with an offset"),
        ('{"time": true, "sensor": "a", "values": {}}', "time is True"),
        ('{"time": 1509237900, "sensor": "a", "values": 3}', "values are 3, expected an object"),
        ('{"time": 1509237900, "sensor": "a", "values": {"b": "x"}}', "b is 'x', expected a number or null"),
        ('{"time": 1509237900, "topic": "a/#", "payload": {}}', "topic is 'a/#', expected an MQTT topic"),
        (
            '{"time": 1509237900, "topic": "a", "payload": "=x"}',
            "payload is '=x', expected JSON or the base64",
        ),
        ('{"time": ' + "[" * 5_000, "nested 5001 levels deep, at most 64 are read"),
    ],
)
def test_the_error_of_a_wrong_line_has_place_reason_and_what_is_expected(
    tmp_path: Path, line: str, expected_text: str
) -> None:
    good = '{"time": 1509237900, "sensor": "a", "values": {"b": 1}}'
    with pytest.raises(RecordingError) as caught:
        read(tmp_path, f"{good}\n{line}\n")
    assert "line 2" in str(caught.value)
    assert expected_text in str(caught.value)
