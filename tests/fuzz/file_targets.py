"""Targets for what people write: city folders, rosters, rules, expressions, recordings."""

from __future__ import annotations

import tempfile
from functools import cache, partial
from pathlib import Path

from cities.duration import parse_duration
from cities.duty.roster_calendar import calendar_faults, roster_shifts
from cities.files.faults import CityError
from cities.folder_reader import read_city
from simulators.replay.recorded_data import ReadOptions, RecordingError
from simulators.replay.recording import read_files
from simulators.replay.sample_recordings import fine_dust, transformer_load, water_level
from tests.fuzz.device_targets import dictionary_of
from tests.fuzz.engine import FuzzTarget, error_text
from tests.support.cities.city_folders import (
    BACKGROUND,
    FILES,
    ROSTER,
    ROUTES,
    SITE,
    THEME,
    write_city_folder,
    write_duty_folder,
)
from tests.support.cities.rosters import LEAD, ROADS, WATER, WEEKS, calendar_text
from twin.alarms.rules.expression import CompiledExpression, ExpressionError
from twin.instant import DAY, INSTANT_MAX, INSTANT_MIN, parse_instant

_NOW = parse_instant("2026-03-01T00:00:00Z")

# Bound on the shifts in four weeks of any roster without faults.
DUTIES_MAX = 100_000

_YAML_WORDS = (
    b"&a", b"*a", b"<<: *a", b"&a [*a, *a]", b"!!python/object:os.system", b"!!binary", b"!!set", b"---",
    b"...",
    b"? ", b"| ", b"> ", b"%YAML 1.1", b"2026-01-01", b"0o17", b"1:30:00", b"yes", b"~", b".inf", b".nan",
    b"- ", b"[", b"{",
)  # fmt: skip
_CALENDAR_WORDS = (
    b"RRULE:FREQ=SECONDLY", b"RRULE:FREQ=DAILY", b"RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    b"RRULE:FREQ=DAILY;INTERVAL=1;COUNT=1000000000", b"RRULE:FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=-400",
    b"RRULE:FREQ=DAILY;UNTIL=99991231T235959Z", b"EXDATE:20260105T080000Z", b"RDATE:20260105T080000Z",
    b"RECURRENCE-ID:20260105T080000Z", b"DTSTART:00010101T000000Z", b"DTEND:99991231T235959Z",
    b"DURATION:P9999999W",
    b"DURATION:-P1D", b"BEGIN:VEVENT", b"END:VEVENT", b"BEGIN:VTIMEZONE", b"TZID=Nowhere/At_All",
    b"BYYEARDAY=366",
    b"INTERVAL=0", b"INTERVAL=999999999", b"STATUS:CANCELLED", b"X-WR-TIMEZONE:../../etc", b"\r\n ",
)  # fmt: skip
EXPRESSIONS = (
    b"water_level > 1 && area.rainfall >= 5",
    b"abs(drainsTo.water_level - water_level) > 0.1 ? pm2_5 > 50 : no2 < 3e2",
    b"!(pm2_5 > 50 || no2 > 200) && max(pm10, min(pm2_5, 7)) / o3 <= -1.5", b"((((pm2_5)))) == 1.0",
)  # fmt: skip


def file_targets() -> list[FuzzTarget]:
    """Return a target for each kind of file and text."""
    return [
        *_folder_targets(),
        *_recording_targets(),
        _calendar_target(),
        _expression_target(),
        _duration_target(),
    ]


def _folder_targets() -> list[FuzzTarget]:
    files = {
        **FILES,
        "routes.yaml": ROUTES,
        "site.yaml": SITE,
        "theme.css": THEME.decode(),
        "background.geojson": BACKGROUND,
    }
    return [
        FuzzTarget(
            name=f"folder-{name}",
            run=partial(_read_folder, name),
            corpus=(text.encode(),),
            size_max=12 * 1024,
            dictionary=(*_YAML_WORDS, *dictionary_of((text.encode(),))),
        )
        for name, text in files.items()
    ]


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="livetwin-fuzz-"))


@cache
def _city_folder(name: str) -> Path:
    folder = _folder() / name.removesuffix(".yaml")
    return write_duty_folder(folder) if name == "routes.yaml" else write_city_folder(folder)


def _read_folder(name: str, data: bytes) -> str:
    """Read a city folder with the input as one of its files: a plan, or all faults at once."""
    folder = _city_folder(name)
    (folder / name).write_bytes(data)
    try:
        read_city(folder)
    except CityError as error:
        return _first_of(error)
    return "a city"


def _first_of(error: CityError) -> str:
    for fault in error.faults:
        error_text(ValueError(str(fault)))
        assert fault.line >= 1
    return error.faults[0].message


def _calendar_target() -> FuzzTarget:
    whole = calendar_text(
        *WEEKS,
        ("UID:a", "DTSTART:20260105T080000Z", "DURATION:PT12H", "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=9",
        "SUMMARY:lead"),
        ("UID:b", "DTSTART;VALUE=DATE:20260105", "SUMMARY:water", "EXDATE:20260106T080000Z"),
        head=("X-WR-TIMEZONE:Europe/Amsterdam",),
    )  # fmt: skip
    return FuzzTarget(
        name="calendar",
        size_max=12 * 1024,
        run=_duties,
        corpus=(ROSTER.encode(), whole.encode()),
        dictionary=(*_CALENDAR_WORDS, *dictionary_of((whole.encode(),))),
    )


def _duties(data: bytes) -> str:
    """Read a roster; without faults, compute who is on call for four weeks now and ten years later."""
    text = data.decode("utf-8", "replace")
    faults = calendar_faults(text, (WATER, ROADS, LEAD))
    if faults:
        assert all(0 < len(one.message) < 2_000 and one.line >= 1 for one in faults)
        return faults[0].message
    found = [one for at in (_NOW, _NOW + 3_650 * DAY) for one in roster_shifts(text, at, at + 28 * DAY)]
    assert len(found) <= DUTIES_MAX
    assert all(INSTANT_MIN <= one.start < one.end <= INSTANT_MAX for one in found)
    return "duties" if found else "nobody"


def _expression_target() -> FuzzTarget:
    words = (
        b"&&",
        b"||",
        b"==",
        b"? ",
        b": ",
        b"(",
        b")",
        b"/ 0",
        b"-",
        b"!",
        b"abs(",
        b"min(",
        b"has(",
        b"[1]",
        b"size(x)",
    )
    return FuzzTarget(
        name="expression", run=_compile, corpus=EXPRESSIONS, dictionary=(*words, *dictionary_of(EXPRESSIONS))
    )


def _compile(data: bytes) -> str:
    """Compile an expression and evaluate it with operands of 1.0: a result, or an error with its reason."""
    try:
        program = CompiledExpression(data.decode("utf-8", "replace"))
        return str(program.evaluate([1.0] * len(program.operands)))
    except ExpressionError as error:
        return error_text(error)


def _duration_target() -> FuzzTarget:
    return FuzzTarget(
        name="duration",
        run=_duration,
        corpus=(b"PT10M", b"P1DT2H3.5S", b"P1W"),
        dictionary=(b"P1M", b"T", b"S"),
    )


def _duration(data: bytes) -> str:
    try:
        return str(parse_duration(data.decode("utf-8", "replace")) >= 0)
    except ValueError as error:
        return str(error)


def _recording_targets() -> list[FuzzTarget]:
    lines = (
        '{"time": "2026-01-05T08:00:00Z", "topic": "airrohr/17", "payload": {"a": 1}}\n'
        '{"time": 1767600000, "topic": "airrohr/17", "payload": "eyJhIjogMX0="}\n'
        '{"time": "2026-01-05T08:00:00Z", "sensor": "wl-1", "values": {"level": -0.47, "air": {"t": null}}}\n'
    )
    texts = {
        "fews-pi": (water_level(1, days=1).text,),
        "csv": (fine_dust(1, days=1).text, transformer_load(1, days=1).text),
        "jsonl": (lines,),
    }
    words = (
        b"<!DOCTYPE a [<!ENTITY x 'x'>]>",
        b"&x;",
        b"<event ",
        b'"',
        b";",
        b"\t",
        b"NaN",
        b"1,234.5",
        b"timeZone",
    )
    made = []
    for kind, some in texts.items():
        seeds = tuple(one.encode()[:6_000] for one in some)
        made.append(
            FuzzTarget(
                name=f"recording-{kind}",
                run=partial(_read_recording, kind),
                size_max=64 * 1024,
                corpus=seeds,
                dictionary=(*words, *dictionary_of(seeds)),
            )
        )
    return made


def _read_recording(kind: str, data: bytes) -> str:
    path = _folder() / f"recording.{kind}"
    path.write_bytes(data)
    try:
        contents = read_files([path], ReadOptions(timezone="Europe/Amsterdam"))
    except RecordingError as error:
        return error_text(error).partition(": ")[2]
    times = [*(one.time for one in contents.samples), *(one.time for one in contents.messages)]
    assert all(INSTANT_MIN <= time <= INSTANT_MAX for time in times)
    return f"{'samples' if contents.samples else ''} {'messages' if contents.messages else ''}"
