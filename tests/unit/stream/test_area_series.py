"""The values of areas over both stages: a burst loses no point, and a sum needs most of its entities."""

from __future__ import annotations

import math
from random import Random

import pytest

from tests.support.cities.city_builder import CityBuilder
from tests.support.pipelines.derived_series import published_updates, requested_repairs, series_of
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.instant import DAY, HOUR, MINUTE, SECOND, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag, quality_word
from twin.state.area_state import SLOTS_MAX
from twin.wire.messages import UpdateKind

START = 480_000 * HOUR
STATIONS = 54
HOURS = 48


def stations_city() -> CityModel:
    """Return 54 hourly stations in six neighbourhoods of two districts."""
    builder = CityBuilder().entity("town", "Municipality")
    for number in range(6):
        district = f"town.d{number % 2}"
        builder.entity(district, "District").entity(f"{district}.n{number}", "Neighbourhood")
    for number in range(STATIONS):
        entity = f"town.d{number % 2}.n{number % 6}.s{number}"
        builder.entity(entity, "AirQualityStation").sensor(entity, entity, "pm2_5", interval=HOUR)
    return builder.model()


CITY = stations_city()


def recording() -> list[Observation]:
    """Return two days of all stations, by time."""
    dice = Random(13)
    return [
        Observation(id, START + hour * HOUR, START + hour * HOUR, round(dice.uniform(4, 90), 1), 0)
        for hour in range(HOURS)
        for id in CITY.datastreams
    ]


def means() -> dict[Instant, float]:
    """Return the mean of each hour, by its start."""
    found = recording()
    return {
        START + hour * HOUR: math.fsum(
            one.value for one in found if one.phenomenon_time == START + hour * HOUR
        )
        / STATIONS
        for hour in range(HOURS)
    }


def played(arrivals: list[list[Observation]], step: int) -> StagePipeline:
    """Return the stages after records that follow each other in log time."""
    pipeline = StagePipeline(CITY)
    now = START + 2 * DAY
    for record in arrivals:
        pipeline.observe(*record, now=now)
        now += step
    pipeline.advance(now + 10 * SECOND)
    return pipeline


def by_station() -> list[list[Observation]]:
    """Return the recording as each station sends it at once, when it is online again."""
    found = recording()
    return [[one for one in found if one.datastream == id] for id in CITY.datastreams]


ORDERS = {
    "in-one-moment": [recording()],
    "an-hour-a-record": [recording()[begin : begin + STATIONS] for begin in range(0, 2592, STATIONS)],
    "a-station-a-record": by_station(),
    "halves-swapped": [recording()[1296:], recording()[:1296]],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("step", [1, SECOND, HOUR], ids=["burst", "a-second-each", "an-hour-each"])
def test_a_recording_of_two_days_gives_every_hourly_mean_in_any_order_at_any_speed(
    order: str, step: int
) -> None:
    pipeline = played(ORDERS[order], step)
    series = series_of(published_updates(pipeline))["town", "area_pm2_5"]
    assert {time: round(value, 9) for time, (value, _, _) in series.items()} == {
        time: round(value, 9) for time, value in means().items()
    }
    assert {(flags, count) for _, flags, count in series.values()} == {(0, STATIONS)}
    assert requested_repairs(pipeline) == set()


@pytest.mark.parametrize("step", [1, SECOND], ids=["burst", "a-second-each"])
def test_a_recording_longer_than_the_memory_of_an_area_gives_every_hourly_mean(step: int) -> None:
    model = CityBuilder().entity("town", "Municipality").entity("town.n0", "Neighbourhood")
    for number in range(3):
        entity = f"town.n0.s{number}"
        model.entity(entity, "AirQualityStation").sensor(entity, entity, "pm2_5", interval=HOUR)
    pipeline, hours, now = StagePipeline(model.model()), range(5 * SLOTS_MAX), START + 30 * DAY
    for begin in range(0, len(hours), 125):
        record = [
            Observation(id, time := START + hour * HOUR, time, 10.0 * id + hour % 7, 0)
            for hour in hours[begin : begin + 125]
            for id in (1, 2, 3)
        ]
        pipeline.observe(*record, now=now)
        now += step
    pipeline.advance(now + 10 * SECOND)
    series = series_of(published_updates(pipeline))
    asked = {
        (one.start + hour * HOUR)
        for one in requested_repairs(pipeline)
        if one.name == "area_pm2_5"
        for hour in range((one.end - one.start) // HOUR)
    }
    for area in ("town", "town.n0"):
        points = {time: value for time, (value, _, _) in series[area, "area_pm2_5"].items()}
        expected = {START + hour * HOUR: 20.0 + hour % 7 for hour in hours}
        wrong = {time for time in expected if points.get(time) != expected[time]}
        assert wrong <= asked, "what is not right is left to storage"


def test_the_value_now_is_that_of_the_open_slot_and_says_so() -> None:
    pipeline = played(ORDERS["an-hour-a-record"], SECOND)
    updates = [one for one in published_updates(pipeline) if one.entity == "town"]
    newest = [one for one in updates if one.kind is UpdateKind.INDICATOR][-1]
    assert newest.phenomenon_time == START + (HOURS - 1) * HOUR
    assert (newest.preliminary, newest.members, newest.members_expected) == (True, STATIONS, STATIONS)


def test_an_input_older_than_the_kept_slots_is_left_to_storage_in_each_area_above() -> None:
    pipeline = played([recording()], 1)
    late = Observation(1, START - 30 * DAY, START + 2 * DAY, 7.0, 0)
    pipeline.observe(late, now=START + 2 * DAY + HOUR)
    pipeline.advance(START + 2 * DAY + HOUR + 10 * SECOND)
    found = {(one.entity, one.start) for one in requested_repairs(pipeline) if one.name == "area_pm2_5"}
    assert found == {(area, START - 30 * DAY) for area in ("town.d0.n0", "town.d0", "town")}


def substations() -> CityModel:
    """Return four substations in a town."""
    builder = CityBuilder().entity("town", "Municipality")
    for number in range(4):
        entity = f"town.substation{number}"
        builder.entity(entity, "Substation").sensor(entity, entity, "power_import", interval=MINUTE)
    return builder.model()


@pytest.mark.parametrize(("speaking", "quality"), [(1, "suspect"), (2, "suspect"), (3, "good"), (4, "good")])
def test_the_sum_over_an_area_is_good_only_with_most_of_its_substations(speaking: int, quality: str) -> None:
    pipeline = StagePipeline(substations())
    pipeline.observe(*(Observation(id, START, START, 100.0, 0) for id in range(1, speaking + 1)))
    pipeline.advance(START + 10 * SECOND)
    newest = [one for one in published_updates(pipeline) if one.property == "area_power_import"][-1]
    assert newest.value == 100.0 * speaking
    assert quality_word(newest.flags) == quality
    assert bool(newest.flags & QualityFlag.INCOMPLETE) == (quality == "suspect")
    assert (newest.members, newest.members_expected) == (speaking, 4)


@pytest.mark.parametrize(("between", "told"), [([20.0], 2), ([10.0], 0), ([], 0)])
def test_a_point_is_told_again_after_values_that_its_area_never_got(between: list[float], told: int) -> None:
    model = CityBuilder().entity("town", "Municipality").entity("town.n0", "Neighbourhood")
    model.entity("town.n0.s", "AirQualityStation").sensor("s", "town.n0.s", "no2", interval=SECOND)
    pipeline = StagePipeline(model.model())
    pipeline.observe(Observation(1, START, START, 10.0), now=START)
    pipeline.advance(START + 10 * SECOND)
    # One record: the entity sends the last value alone to its area, and storage has all of them.
    values = [*between, 10.0]
    times = [START + (20 + number) * SECOND for number in range(len(values))]
    pipeline.observe(
        *(Observation(1, time, times[-1], value) for time, value in zip(times, values, strict=True)),
        now=times[-1],
    )
    pipeline.advance(times[-1] + 10 * SECOND)
    points = [one for one in published_updates(pipeline) if one.property == "area_no2"]
    assert {(one.phenomenon_time, one.value) for one in points} == {(START, 10.0)}
    assert [one.kind for one in points].count(UpdateKind.AMENDMENT) == told
    assert [one.kind for one in points].count(UpdateKind.INDICATOR) == 2


@pytest.mark.parametrize("before", range(16))
def test_hours_that_a_backlog_shows_to_be_stuck_leave_their_area_before_they_are_forgotten(
    before: int,
) -> None:
    model = CityBuilder().entity("town", "Municipality").entity("town.n0", "Neighbourhood")
    for number in range(2):
        entity = f"town.n0.s{number}"
        model.entity(entity, "AirQualityStation").sensor(entity, entity, "pm2_5", interval=HOUR)
    # The second day comes after the third: the run of equal values is long enough only with it.
    stuck = range(46, 80)
    hours = [*range(48 - 16 - before, 48), *range(72, 96), *range(48, 72), *range(96, 106)]
    record = [
        Observation(id, START + hour * HOUR, START + hour * HOUR, value, 0)
        for id in (1, 2)
        for hour in hours
        for value in (20.0 if id == 2 and hour in stuck else 10.0 * id + hour % 7,)
    ]
    pipeline = StagePipeline(model.model())
    pipeline.observe(*record, now=START + 30 * DAY)
    pipeline.advance(START + 30 * DAY + 10 * SECOND)
    series = series_of(published_updates(pipeline))
    for area in ("town", "town.n0"):
        counts = {time: count for time, (_, _, count) in series[area, "area_pm2_5"].items()}
        assert {hour: counts[START + hour * HOUR] for hour in stuck} == dict.fromkeys(stuck, 1)


def test_a_backlog_of_one_sensor_beside_another_in_time_gives_every_hour_of_the_area() -> None:
    """The sensor in time has many values before the backlog, and one after it."""
    model = CityBuilder().entity("town", "Municipality").entity("town.s0", "AirQualityStation")
    for sensor in ("in-time", "late"):
        model.sensor(sensor, "town.s0", "pm2_5", interval=HOUR)
    hours = range(100)
    pipeline, now = StagePipeline(model.model()), START + 101 * HOUR
    record = [
        Observation(id, START + hour * HOUR, START + hour * HOUR, 10.0 * id + hour % 7, 0)
        for hour in range(20)
        for id in (1, 2)
    ]
    pipeline.observe(*record, now=now)
    backlog = [Observation(1, START + 99 * HOUR, START + 99 * HOUR, 11.0, 0)]
    backlog += [Observation(2, time := START + hour * HOUR, time, 20.0 + hour % 7, 0) for hour in hours[20:]]
    pipeline.observe(*backlog, now=now + 1)
    pipeline.advance(now + 10 * SECOND)
    found = series_of(published_updates(pipeline))["town", "area_pm2_5"]
    assert [hour for hour in hours if START + hour * HOUR not in found] == []
    assert requested_repairs(pipeline) == set()
