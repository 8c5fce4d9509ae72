"""Generate recordings with known true values and the defects of real archives, such as gaps and stuck values.

Equal seeds give equal files. Reading a file returns its `sent_entries`. As a program, the module writes one
of them: `python -m simulators.replay.sample_recordings water_level`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import pi, sin
from random import Random

from simulators.faults.clock_faults import repeated_hour_shift
from simulators.truth.local_calendar import utc_offset
from simulators.truth.noise import noise_stream, smooth_noise
from twin.instant import DAY, HOUR, MINUTE, Duration, Instant, format_instant, to_datetime

QUARTER: Duration = 15 * MINUTE
AMSTERDAM = "Europe/Amsterdam"

WATER_LOCATION, WATER_PARAMETER = "WL-0412", "H.meting"
AIR_STATION = "NL90001"
TRANSFORMER, TRANSFORMER_FIELD = "tr-0117", "net_power"


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """One line of a recording, and its known defect."""

    time: Instant
    value: float | None  #: as written; None: missing
    defect: str = ""  #: what is wrong with the value; empty: it is true

    @property
    def true(self) -> bool:
        """Whether the value is the true one."""
        return not self.defect


@dataclass(frozen=True, slots=True)
class SampleRecording:
    """The text of a file, and its entries in order."""

    text: str
    entries: Sequence[SampleEntry]

    def sent_entries(self) -> Iterator[SampleEntry]:
        """Yield the entries that a replay sends: all with a value."""
        return (one for one in self.entries if one.value is not None)


def water_level(seed: int, *, start: str = "2017-09-01", days: int = 150) -> SampleRecording:
    """Return a water level (m NAP) every quarter-hour as FEWS PI XML, with a fixed offset of one hour.

    Its defects: nineteen days of missing values, five weeks without events, two days of a stuck value, some
    values flagged as unreliable, and 0.0 in the first pass of the repeated hour of autumn.
    """
    dice, source = Random(seed), noise_stream(seed, "recording", "water")
    begin = _day(start)
    gap = begin + days // 6 * DAY
    hole = begin + days // 2 * DAY
    stuck = begin + days * 5 // 6 * DAY + dice.randrange(96) * QUARTER
    entries: list[SampleEntry] = []
    held = 0.0
    for number in range(days * 96):
        time = begin + number * QUARTER
        if hole <= time < hole + 35 * DAY:
            continue
        tide = 0.02 * sin(2.0 * pi * (time % (745 * MINUTE)) / (745 * MINUTE))
        value = round(
            -1.40
            + 0.08 * smooth_noise(source, time / (3 * DAY))
            + tide
            + 0.01 * smooth_noise(source ^ 1, time / HOUR),
            2,
        )
        entry = SampleEntry(time, value)
        if gap <= time < gap + 19 * DAY:
            entry = SampleEntry(time, None, "missing")
        elif repeated_hour_shift(AMSTERDAM, time + HOUR):
            entry = SampleEntry(time, 0.0, "false zero")
        elif stuck <= time < stuck + 2 * DAY:
            held = value if time == stuck else held
            entry = SampleEntry(time, held, "stuck" if time > stuck else "")
        elif dice.random() < 0.0005:
            entry = SampleEntry(time, round(value + dice.uniform(1.0, 3.0), 2), "unreliable")
        entries.append(entry)
    return SampleRecording("\n".join(_pi_lines(entries)) + "\n", entries)


def _pi_lines(entries: Sequence[SampleEntry]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<TimeSeries xmlns="http://www.wldelft.nl/fews/PI" version="1.2">'
    yield "  <timeZone>1.0</timeZone>"
    yield "  <series>"
    yield "    <header>"
    yield "      <type>instantaneous</type>"
    yield f"      <locationId>{WATER_LOCATION}</locationId>"
    yield f"      <parameterId>{WATER_PARAMETER}</parameterId>"
    yield '      <timeStep unit="second" multiplier="900"/>'
    yield "      <missVal>NaN</missVal>"
    yield "      <units>mNAP</units>"
    yield "    </header>"
    for entry in entries:
        local = to_datetime(entry.time + HOUR)
        value = "NaN" if entry.value is None else f"{entry.value:.2f}"
        flag = {"missing": 9, "unreliable": 6}.get(entry.defect, 0)
        yield f'    <event date="{local:%Y-%m-%d}" time="{local:%H:%M:%S}" value="{value}" flag="{flag}"/>'
    yield "  </series>"
    yield "</TimeSeries>"


def fine_dust(seed: int, *, start: str = "2023-12-01", days: int = 60) -> SampleRecording:
    """Return hourly PM2.5 (ug/m3) of one station as CSV `station,time,pm25`, in UTC.

    Some values are negative, and true. Its defects: hours that are missing, as an empty cell or without a
    line; repeated hours with the same or a corrected value, of which the second is right.
    """
    dice, source = Random(seed), noise_stream(seed, "recording", "pm2_5")
    begin = _day(start)
    hole = begin + days // 3 * DAY
    entries: list[SampleEntry] = []
    for hour in range(days * 24):
        time = begin + hour * HOUR
        if hole <= time < hole + 3 * DAY:
            continue
        value = round(6.0 + 11.0 * smooth_noise(source, time / (30 * HOUR)) + dice.gauss(0.0, 2.0), 1)
        throw = dice.random()
        if throw < 0.02:
            entries.append(SampleEntry(time, None, "missing"))
            continue
        if throw < 0.04:
            entries.append(SampleEntry(time, value))
        elif throw < 0.06:
            entries.append(SampleEntry(time, round(value + dice.uniform(0.5, 5.0), 1), "superseded"))
        entries.append(SampleEntry(time, value))
    lines = ["station,time,pm25"]
    lines += (
        f"{AIR_STATION},{format_instant(entry.time)},{'' if entry.value is None else entry.value}"
        for entry in entries
    )
    return SampleRecording("\n".join(lines) + "\n", entries)


def transformer_load(seed: int, *, start: str = "2023-10-15", days: int = 30) -> SampleRecording:
    """Return a transformer's net power (kW) every quarter-hour as CSV `tijd;meter;net_power`, in local time.

    Power is negative while solar panels produce more than the street uses. Numbers have a decimal comma. The
    two passes of the repeated hour of autumn differ only by their order.
    """
    dice, source = Random(seed), noise_stream(seed, "recording", "transformer")
    begin = _day(start) - utc_offset(AMSTERDAM, _day(start))
    entries: list[SampleEntry] = []
    for number in range(days * 96):
        time = begin + number * QUARTER
        hour = (time + utc_offset(AMSTERDAM, time)) % DAY / HOUR
        evening = 90.0 * max(0.0, sin(pi * (hour - 15.0) / 8.0)) if 15.0 < hour < 23.0 else 0.0
        sun = max(0.0, sin(pi * (hour - 8.0) / 10.0)) if 8.0 < hour < 18.0 else 0.0
        clear = 0.5 + 0.5 * smooth_noise(source, time / (5 * HOUR))
        value = round(60.0 + evening - 220.0 * sun * clear + dice.gauss(0.0, 2.0), 1)
        entries.append(
            SampleEntry(time, value) if dice.random() >= 0.005 else SampleEntry(time, None, "missing")
        )
    lines = [f"tijd;meter;{TRANSFORMER_FIELD}"]
    for entry in entries:
        local = to_datetime(entry.time + utc_offset(AMSTERDAM, entry.time))
        text = "" if entry.value is None else f"{entry.value:.1f}".replace(".", ",")
        lines.append(f"{local:%Y-%m-%d %H:%M};{TRANSFORMER};{text}")
    return SampleRecording("\n".join(lines) + "\n", entries)


def _day(text: str) -> Instant:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


GENERATORS = {"water_level": water_level, "fine_dust": fine_dust, "transformer_load": transformer_load}


def main() -> None:
    """Write the recording that the argument names to standard output, with seed 1."""
    names = sys.argv[1:]
    if len(names) != 1 or names[0] not in GENERATORS:
        sys.exit(f"expected one of {', '.join(GENERATORS)}")
    sys.stdout.write(GENERATORS[names[0]](1).text)


if __name__ == "__main__":
    main()
