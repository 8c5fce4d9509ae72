"""What storage evaluates of alarms: observations that the stream has told, and so judged."""

from __future__ import annotations

import numpy as np

from storage.history.condition_reader import SeriesEnd, judged_ends
from tests.support.cities.alarm_city import alarm_city, high_water_rule
from twin.alarms.rules.operand import OperandSeries
from twin.backtest.history_chunk import HistoryChunk
from twin.backtest.readings import DatastreamReadings
from twin.instant import HOUR, INSTANT_MAX, MINUTE

MODEL = alarm_city([high_water_rule()])
CANAL = next(one.id for one in MODEL.datastreams.values() if one.entity == "canal")
LEVEL = OperandSeries("canal", "water_level", "instant", "value")


def test_later_observations_of_a_datastream_do_not_count() -> None:
    times = np.array([0, MINUTE, 2 * MINUTE], np.int64)
    readings = DatastreamReadings(times, times, np.zeros(3), np.zeros(3, np.int64))
    chunk = HistoryChunk(0, HOUR, {1: readings, 2: readings}).told({1: MINUTE})
    assert {id: one.times.tolist() for id, one in chunk.readings.items()} == {1: [0, MINUTE], 2: []}


def test_the_newest_point_of_single_values_is_the_newest_that_was_told() -> None:
    stored = SeriesEnd(9 * MINUTE, 10 * MINUTE)
    told = SeriesEnd(5 * MINUTE, 10 * MINUTE)
    assert judged_ends({LEVEL: stored}, {CANAL: 5 * MINUTE}, MODEL) == ({LEVEL: told}, 5 * MINUTE)
    assert judged_ends({LEVEL: stored}, {CANAL: HOUR}, MODEL) == ({LEVEL: stored}, INSTANT_MAX)
    assert judged_ends({LEVEL: stored}, {}, MODEL) == ({}, INSTANT_MAX)
    hours = LEVEL._replace(over="hour")
    assert judged_ends({hours: stored}, {}, MODEL) == ({hours: stored}, INSTANT_MAX), "windows are judged"
