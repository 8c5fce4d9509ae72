"""What storage evaluates of alarms: observations that the stream has told, and so judged."""

from __future__ import annotations

import numpy as np

from storage.history.condition_reader import SeriesEnd, told_ends
from tests.support.cities.alarm_city import alarm_city, high_water_rule
from twin.alarms.rules.operand import OperandSeries
from twin.backtest.history_chunk import HistoryChunk
from twin.backtest.readings import DatastreamReadings
from twin.instant import HOUR, MINUTE

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
    assert told_ends({LEVEL: stored}, {CANAL: 5 * MINUTE}, MODEL)[LEVEL].time == 5 * MINUTE
    assert told_ends({LEVEL: stored}, {CANAL: HOUR}, MODEL)[LEVEL] == stored
    assert told_ends({LEVEL: stored}, {}, MODEL) == {}
    hours = LEVEL._replace(over="hour")
    assert told_ends({hours: stored}, {}, MODEL) == {hours: stored}, "windows wait for their observations"
