"""Recorded days, replayed into a city of three sensors, give the true hourly and daily aggregates.

The truth is what the maker of a recording knows about each line (`tests.support.oracles.recording_truth`).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from runtime.clock import system_clock
from simulators.replay.sample_recordings import AMSTERDAM, fine_dust, transformer_load, water_level
from storage.database import connect
from storage.maintenance.repair import prepare_repairs
from storage.maintenance.retention import apply_retention
from storage.model.model_store import load_model
from storage.settings import HistorianSettings
from tests.support.oracles.recording_truth import (
    ExpectedBucket,
    RecordedSeries,
    buckets_equal,
    daily_buckets,
    hourly_buckets,
    true_values,
)
from tests.support.waiting import wait_until
from twin.instant import DAY, HOUR, MINUTE, Instant, format_instant, from_datetime

pytestmark = pytest.mark.embedded

SEED = 3
REPLAY_S_MAX = 60.0
STORED_S_MAX = 60.0

FILES = {
    "city.yaml": "city: {id: town, name: Town, timezone: Europe/Amsterdam}\n",
    "entities.yaml": """\
entities:
  - {id: town.canal, type: Waterway, name: Canal}
  - {id: town.street, type: Road, name: Street}
  - {id: town.transformer, type: TransformerArea, name: Transformer}
""",
    "sensors.yaml": """\
sensors:
  - id: WL-0412
    feed: native
    entity: town.canal
    interval: PT15M
    observes: [{property: water_level, field: H.meting, unit: m}]
  - id: NL90001
    feed: native
    entity: town.street
    interval: PT1H
    observes: [{property: pm2_5, field: pm25, unit: ug/m3}]
  - id: tr-0117
    feed: native
    entity: town.transformer
    interval: PT15M
    observes: [{property: transformer_power, field: net_power, unit: kW}]
""",
    "properties.yaml": """\
properties:
  - {name: transformer_power, unit: kW, theme: energy, minimum: -100000, maximum: 100000}
""",
}

System = Any


def history(system: System, series: RecordedSeries, interval: str, **more: str) -> list[dict[str, Any]]:
    start, end = series.span
    query = {
        "property": series.observed_property,
        "start": format_instant(start),
        "end": format_instant(end),
        "interval": interval,
        "aggregate": "mean,min,max,first,last",
        **more,
    }
    url = f"{system.http}/v1/entities/{series.entity}/history"
    answer = httpx.get(url, params=query, timeout=60)
    assert answer.status_code == 200, answer.text
    buckets: list[dict[str, Any]] = answer.json()["buckets"]
    return buckets


def check(buckets: list[dict[str, Any]], wanted: dict[tuple[Instant, Instant], ExpectedBucket]) -> None:
    """Assert that every returned bucket is right and that no bucket is missing."""
    returned = {
        (bucket["start"], bucket["end"]): ExpectedBucket(
            bucket["count"],
            bucket["suspect"],
            bucket["coverage"],
            bucket["mean"],
            bucket["min"],
            bucket["max"],
            bucket["first"],
            bucket["last"],
        )
        for bucket in buckets
    }
    right = {(format_instant(start), format_instant(end)): one for (start, end), one in wanted.items()}
    assert returned.keys() == right.keys()
    wrong = {
        key: (returned[key], right[key]) for key in right if not buckets_equal(returned[key], right[key])
    }
    assert wrong == {}
    for bucket in buckets:
        assert bucket["quality"] == ("suspect" if bucket["suspect"] else "good"), bucket


def replay(system: System, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `livetwin replay`."""
    command = [sys.executable, "-m", "cli", "replay", *map(str, arguments), "--speed", "max"]
    ports = system.data_dir / "asked-ports.json"
    return subprocess.run(
        [*command, "--ports-file", ports], capture_output=True, text=True, timeout=REPLAY_S_MAX, check=False
    )


STORED = """
    SELECT
        (SELECT count(*) FROM observation),
        (SELECT count(*) FROM aggregate_hour),
        (SELECT sum(count + suspect)::bigint FROM aggregate_hour),
        (SELECT count(*) FROM repair_request)
"""


def stored(system: System) -> tuple[int, ...]:
    """Return the numbers of stored observations, of stored hours, of observations in these, and of open
    repairs.
    """
    with psycopg.connect(system.postgres) as connection:
        row = connection.execute(STORED).fetchone()
        assert row is not None
        return tuple(row)


def check_stored_hours(system: System, series: RecordedSeries) -> None:
    """Assert that the hourly aggregates of the stream, as stored, are the truth."""
    with psycopg.connect(system.postgres) as connection:
        rows = connection.execute(
            "SELECT start, count, suspect, expected, mean, minimum, maximum, first, last "
            "FROM aggregate_hour JOIN datastream ON datastream.id = datastream_id WHERE property = %s",
            (series.observed_property,),
        ).fetchall()
    returned = {from_datetime(start): figures for start, *figures in rows}
    wanted = {start: one for (start, _), one in hourly_buckets(series).items()}
    assert returned.keys() == wanted.keys()
    for start, (count, suspect, share, *figures) in returned.items():
        found = ExpectedBucket(count, suspect, count / share, *figures)
        assert buckets_equal(found, wanted[start]), (format_instant(start), found, wanted[start])


async def grow_old(system: System) -> None:
    """Run the hourly retention, which removes single values of years ago."""
    async with await connect(system.postgres, role="test") as connection:
        await prepare_repairs(connection)
        model = await load_model(connection, "town")
        async with asyncio.timeout(STORED_S_MAX):
            while await apply_retention(connection, model, HistorianSettings(), system_clock()) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # the historian's own retention runs


def city_and_recordings(folder: Path) -> tuple[list[list[str | Path]], list[RecordedSeries]]:
    """Write a city folder and the recordings; return the arguments of each replay, and the true series."""
    (folder / "town").mkdir()
    for name, text in FILES.items():
        (folder / "town" / name).write_text(text)
    water = water_level(SEED, start="2017-09-01", days=150)
    dust = fine_dust(SEED, start="2017-10-01", days=60)
    loads = [transformer_load(SEED, start="2017-03-10"), transformer_load(SEED, start="2017-10-15")]
    texts = {
        "water.xml": water.text,
        "dust.csv": dust.text,
        "spring.csv": loads[0].text,
        "autumn.csv": loads[1].text,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    replays: list[list[str | Path]] = [
        [folder / "water.xml"],
        [folder / "dust.csv"],
        # The older recording comes last: its hours are too old for the stream and are repaired.
        [folder / "autumn.csv", "--timezone", AMSTERDAM],
        [folder / "spring.csv", "--timezone", AMSTERDAM],
    ]
    return replays, [
        RecordedSeries("town.canal", "water_level", 15 * MINUTE, true_values(water)),
        RecordedSeries("town.street", "pm2_5", HOUR, true_values(dust)),
        RecordedSeries("town.transformer", "transformer_power", 15 * MINUTE, true_values(*loads)),
    ]


async def test_recordings_of_2017_replay_into_the_hours_and_days_of_their_truth(
    start_system: Callable[..., System], tmp_path: Path
) -> None:
    replays, all_series = city_and_recordings(tmp_path)
    check_that_there_is_something_to_find(*all_series)
    system = start_system(f"--city={tmp_path / 'town'}")
    await asyncio.to_thread(system.wait_ready)
    refused = await asyncio.to_thread(replay, system, tmp_path / "water.xml", "--sensor=nobody")
    assert refused.returncode == 1
    assert "nobody (" in refused.stderr
    assert "values) is no sensor of town: add it to" in refused.stderr
    for arguments in replays:
        done = await asyncio.to_thread(replay, system, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "messages sent and acknowledged" in done.stdout
    count, hours = (
        sum(len(of(one)) for one in all_series) for of in (lambda one: one.values, hourly_buckets)
    )
    wanted = count, hours, count, 0
    await asyncio.to_thread(
        wait_until, lambda: stored(system) == wanted, lambda: (stored(system), wanted), STORED_S_MAX
    )
    for series in all_series:
        check_stored_hours(system, series)
    for _ in range(2):
        for series in all_series:
            check(history(system, series, "PT1H"), hourly_buckets(series))
            check(history(system, series, "P1D", timezone=AMSTERDAM), daily_buckets(series))
        check_nights_of_23_and_25_hours(system, all_series[2])
        check_gaps_are_empty_buckets(system, all_series[0])
        # The same again when only aggregates remain.
        await grow_old(system)
        assert stored(system) == (0, hours, count, 0)


def check_that_there_is_something_to_find(
    water: RecordedSeries, dust: RecordedSeries, load: RecordedSeries
) -> None:
    """Assert that the recordings contain the faults that they are made for."""
    hours = hourly_buckets(water)
    assert sum(1 for one in hours.values() if one.suspect == 4 and one.usable == 0) >= 20
    false_zero = from_datetime(datetime.fromisoformat("2017-10-29T00:00:00+00:00"))
    assert hours[false_zero, false_zero + HOUR][:3] == (0, 4, 0.0)
    steps = [b.time - a.time for a, b in zip(water.values, water.values[1:], strict=False)]
    assert sorted(steps)[-2:] >= [19 * DAY, 35 * DAY]
    assert any(one.low is not None and one.low < 0 for one in hourly_buckets(dust).values())
    assert any(one.mean is not None and one.mean < -20 for one in hourly_buckets(load).values())
    assert any(one.coverage == 0.75 for one in hourly_buckets(load).values())


def check_nights_of_23_and_25_hours(system: System, load: RecordedSeries) -> None:
    days = {one["start"]: one for one in history(system, load, "P1D", timezone=AMSTERDAM)}
    assert days["2017-03-25T23:00:00Z"]["end"] == "2017-03-26T22:00:00Z"
    assert days["2017-10-28T22:00:00Z"]["end"] == "2017-10-29T23:00:00Z"
    assert 88 < days["2017-03-25T23:00:00Z"]["count"] <= 23 * 4
    assert 96 < days["2017-10-28T22:00:00Z"]["count"] <= 25 * 4


def check_gaps_are_empty_buckets(system: System, water: RecordedSeries) -> None:
    """Assert that gaps are returned as empty buckets with no coverage, where they are requested."""
    wanted = hourly_buckets(water)
    buckets = history(system, water, "PT1H", fill="null")
    start, end = water.span
    assert len(buckets) == (end - start) // HOUR
    empty = [one for one in buckets if one["count"] == 0 and one["suspect"] == 0]
    assert len(empty) == len(buckets) - len(wanted)
    for bucket in empty:
        returned = [bucket[name] for name in ("quality", "mean", "min", "max", "first", "last")]
        assert returned == [None] * 6, bucket
        # Before its first value a sensor is unknown.
        assert bucket["coverage"] == (
            None if bucket["start"] < format_instant(water.values[0].time) else 0.0
        ), bucket
