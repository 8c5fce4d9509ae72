"""Laws of city folders: everything written reads back, and no text makes the reader crash."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cities.duration import format_duration, parse_duration
from cities.duty.roster_calendar import calendar_faults, roster_shifts
from cities.files.faults import CityError
from cities.files.values import INTERVAL_MAX, INTERVAL_MIN, RETENTION_MAX, RETENTION_MIN
from cities.folder_reader import read_city
from cities.folder_writer import write_city
from twin.instant import DAY, INSTANT_MAX, parse_instant
from twin.model.calibration import Calibration, Maintenance
from twin.model.city_model import City, CityModel
from twin.model.duty import Contact
from twin.model.entity import Entity
from twin.model.observed_property import BUILT_IN_PROPERTIES, Retention
from twin.model.plain_text import control_character
from twin.model.sensor import Datastream, Sensor
from twin.quality.quality_rules import IsolatedRule, NullValueRule, QualityRules, SpikeRule, StuckRule
from twin.quality.valid_when import ValidWhen

numbers = st.floats(allow_nan=False, allow_infinity=False)
characters = st.characters(exclude_categories=["Cs"]).filter(lambda one: not control_character(one))
names = st.text(characters, min_size=1, max_size=40)
intervals = st.integers(INTERVAL_MIN, INTERVAL_MAX)
attributes = st.dictionaries(
    names, numbers | names | st.none() | st.lists(st.booleans(), max_size=3), max_size=4
)


positive = st.floats(0, exclude_min=True, allow_nan=False, allow_infinity=False)
conditions = st.builds(
    ValidWhen,
    field=st.just("uptime"),
    above=numbers,
    one_of=st.just(()),
    required=st.booleans(),
)
rules = st.builds(
    QualityRules,
    maximum=st.none() | numbers,
    rate_max=st.none() | positive,
    spike=st.none()
    | st.builds(SpikeRule, window=st.integers(5, 16), threshold=positive, deviation_min=positive),
    isolated=st.none() | st.builds(IsolatedRule, deviation_min=positive, share=st.floats(0.001, 1)),
    null_values=st.none()
    | st.builds(
        NullValueRule,
        values=st.lists(numbers, min_size=1, max_size=3).map(tuple),
        deviation_min=st.none() | positive,
        duration_min=st.none() | intervals,
        count=st.integers(2, 10**6),
    ),
    stuck=st.none()
    | st.builds(
        StuckRule,
        count=st.integers(2, 10**6),
        duration_min=intervals,
        except_values=st.lists(numbers, max_size=3).map(tuple),
        active_duration_min=st.none() | intervals,
    ),
    late_after=intervals,
    skew_after=intervals,
    disagreement=st.none() | positive,
    valid_when=st.none() | conditions,
)
retentions = st.lists(st.integers(RETENTION_MIN, RETENTION_MAX), min_size=3, max_size=3).map(
    lambda three: Retention(**dict(zip(("raw", "minute", "hour"), sorted(three), strict=True)))
)
times = st.lists(st.integers(0, INSTANT_MAX), unique=True, max_size=5).map(sorted)


@st.composite
def corrections(draw: st.DrawFn) -> tuple[tuple[Calibration, ...], tuple[Maintenance, ...]]:
    """Draw calibrations in sequence, and maintenance, which may overlap."""
    calibrated, worked_on = draw(times), draw(times)
    return (
        tuple(
            Calibration(
                sensor="s",
                property="no2",
                start=start,
                end=end,
                gain=draw(numbers.filter(bool)),
                offset=draw(numbers),
                note=draw(st.just("") | names),
            )
            for start, end in pairwise(calibrated)
        ),
        tuple(
            Maintenance(sensor="s", start=start, end=draw(st.integers(start + 1, INSTANT_MAX)))
            for start in worked_on
            if start < INSTANT_MAX
        ),
    )


@st.composite
def models(draw: st.DrawFn) -> CityModel:
    """Draw a city of one road and one sensor, with any names and conversions."""
    sensor = Sensor(
        id="s",
        feed=draw(st.sampled_from(["ttn", "dsmr"])),
        device=draw(names),
        entity="e",
        interval=draw(intervals),
        personal=draw(st.booleans()),
    )
    streams = [
        Datastream(
            id=number,
            sensor="s",
            entity="e",
            property=property,
            field=draw(names.filter(lambda name: name != "uptime")),
            unit=unit,
            scale=draw(st.just(factor) | numbers.filter(bool)),
            offset=draw(st.just(0.0) | numbers),
            interval=draw(st.just(sensor.interval) | intervals),
            valid_when=draw(st.none() | conditions),
        )
        for number, (property, unit, factor) in enumerate(
            [("no2", "ug/m3", 1.0), ("water_level", "cm", 0.01), ("air_temperature", "[degF]", 5 / 9)], 1
        )
    ]
    calibrations, maintenance = draw(corrections())
    no2 = replace(
        BUILT_IN_PROPERTIES["no2"],
        quality=replace(draw(rules), minimum=None),
        retention=draw(retentions),
        roll_up=draw(st.sampled_from(["max", "mean", "none"])),
    )
    return CityModel(
        version=1,
        city=City(id="c", name=draw(names), timezone="UTC"),
        entities={"e": Entity(id="e", type="Road", name=draw(names), attributes=draw(attributes))},
        sensors={"s": sensor},
        datastreams={one.id: one for one in streams},
        properties={**BUILT_IN_PROPERTIES, "no2": no2},
        calibrations=calibrations,
        maintenance=maintenance,
    )


@settings(max_examples=60)
@given(models())
def test_every_model_reads_back_as_it_was_written(model: CityModel) -> None:
    with tempfile.TemporaryDirectory() as name:
        write_city(model, Path(name))
        plan = read_city(Path(name))
    assert plan.city == model.city
    assert plan.entities == tuple(model.entities.values())
    assert plan.sensors == tuple(model.sensors.values())
    assert {**BUILT_IN_PROPERTIES, **{one.name: one for one in plan.properties}} == model.properties
    assert (plan.calibrations, plan.maintenance) == (model.calibrations, model.maintenance)
    for read, written in zip(plan.datastreams, model.datastreams.values(), strict=True):
        assert (read.sensor, read.property, read.field, read.unit) == (
            written.sensor,
            written.property,
            written.field,
            written.unit,
        )
        assert (read.scale, read.offset, read.interval) == (written.scale, written.offset, written.interval)


fragments = st.lists(
    st.sampled_from(
        [
            "entities:",
            "\n",
            "  ",
            "- ",
            "id: a",
            "type: Road",
            "parent: a",
            "geometry: ",
            "{",
            "}",
            "[",
            "]",
            "&x ",
            "*x",
            "!!set ",
            "<<: ",
            "? ",
            "'",
            "#",
            "12",
            ": ",
            "relations:",
            "\x07",
            "é",
            "~",
        ]
    ),
    max_size=25,
).map("".join)


@settings(max_examples=150)
@given(fragments)
def test_any_text_is_read_or_raises_a_city_error(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "city.yaml").write_text("city: {id: c, name: C, timezone: UTC}\n")
        (folder / "sensors.yaml").write_text("sensors: []\n")
        (folder / "entities.yaml").write_text(text, encoding="utf-8")
        try:
            read_city(folder)
            faults = None
        except CityError as error:
            faults = error.faults
    assert faults is None or (faults and all(fault.line >= 1 for fault in faults))


@given(st.integers(0, 10 * INTERVAL_MAX))
def test_every_duration_reads_back(duration: int) -> None:
    assert parse_duration(format_duration(duration)) == duration


roster_lines = st.sampled_from(
    [
        *(
            "BEGIN:VCALENDAR",
            "END:VCALENDAR",
            "BEGIN:VEVENT",
            "END:VEVENT",
            "VERSION:2.0",
            "X-WR-TIMEZONE:UTC",
        ),
        *(
            "UID:1",
            "UID:2",
            "DTSTART:20260105T080000Z",
            "DTSTART;VALUE=DATE:20260105",
            "DTSTART:99991231T235959Z",
        ),
        *(
            "DTEND:20260106T080000Z",
            "DTEND;VALUE=DATE:20260106",
            "DURATION:P1D",
            "DURATION:-P1D",
            "DURATION:P0D",
        ),
        *(
            "RRULE:FREQ=DAILY",
            "RRULE:FREQ=DAILY;INTERVAL=0",
            "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "RRULE:",
        ),
        *("EXDATE:20260107T080000Z", "RDATE:20260301T080000Z", "RECURRENCE-ID:20260106T080000Z"),
        *(
            "SUMMARY:water",
            "ATTENDEE:mailto:",
            "ATTENDEE;CN=water:x",
            " folded",
            "nonsense",
            ":",
            ";=:",
            "\0",
        ),
    ]
)
event_lines = st.lists(roster_lines, max_size=8).map(
    lambda some: ["BEGIN:VCALENDAR", "BEGIN:VEVENT", *some, "END:VEVENT", "END:VCALENDAR"]
)


ROSTER_START = parse_instant("2025-12-20T00:00:00Z")


@settings(max_examples=200)
@given(event_lines | st.lists(roster_lines, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_any_calendar_has_faults_or_shifts(lines: list[str], end: str) -> None:
    text = end.join(lines)
    if not calendar_faults(text, [Contact(id="water", name="Water")]):
        assert all(
            shift.start < shift.end and shift.named
            for shift in roster_shifts(text, ROSTER_START, ROSTER_START + 60 * DAY)
        )
