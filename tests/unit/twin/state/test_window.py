"""Windows: their limits, their content and their aggregates."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from tests.support.oracles.sketch_quantiles import quantile, value_count
from twin.instant import DAY, HOUR, INSTANT_MAX, INSTANT_MIN, MINUTE, SECOND, Duration, parse_instant
from twin.model.datastream_policy import WINDOW_SIZES, window_sizes_for
from twin.model.observed_property import Aggregation
from twin.quality.quality_flags import QualityFlag
from twin.state.sketch import Sketch
from twin.state.window import VALUES_MAX, Aggregate, WindowAccumulator, aggregate_of, window_start


@dataclass(frozen=True)
class Reading:
    value: float
    flags: int = 0
    increase: float = 0.0


def filled(*readings: Reading | float, kind: Aggregation = "mean") -> WindowAccumulator:
    """Return an accumulator of readings ten seconds apart."""
    accumulator = WindowAccumulator()
    for n, value in enumerate(readings):
        reading = value if isinstance(value, Reading) else Reading(value)
        accumulator.add(n * 10 * SECOND, reading.value, int(reading.flags), kind, reading.increase)
    return accumulator


def aggregated(
    accumulator: WindowAccumulator, kind: Aggregation = "mean", interval: Duration = 10 * SECOND
) -> Aggregate:
    return aggregate_of(
        accumulator, datastream=7, size=MINUTE, start=0, revision=99, interval=interval, kind=kind
    )


@pytest.mark.parametrize("size", WINDOW_SIZES)
def test_windows_are_half_open_and_aligned(size: Duration) -> None:
    start = parse_instant("2026-11-24T02:00:00Z")
    assert window_start(start, size) == start
    assert window_start(start + size - 1, size) == start
    assert window_start(start + size, size) == start + size
    assert window_start(start - 1, size) == start - size
    assert window_start(-1, size) == -size


@pytest.mark.parametrize(
    ("interval", "sizes"),
    [
        (SECOND, WINDOW_SIZES),
        (MINUTE, WINDOW_SIZES),
        (145 * SECOND, (10 * MINUTE, HOUR)),
        (10 * MINUTE, (10 * MINUTE, HOUR)),
        (15 * MINUTE, (HOUR,)),
        (HOUR, (HOUR,)),
        (DAY, (HOUR,)),
    ],
)
def test_a_window_is_not_shorter_than_the_interval_but_an_hour_is_kept_of_all(
    interval: Duration, sizes: tuple[Duration, ...]
) -> None:
    assert window_sizes_for(interval) == sizes


def test_a_mean_property_has_a_mean_and_no_sum() -> None:
    aggregate = aggregated(filled(2.0, 4.0, 9.0))
    assert (aggregate.count, aggregate.suspect, aggregate.flags) == (3, 0, 0)
    assert (aggregate.minimum, aggregate.maximum, aggregate.mean) == (2.0, 9.0, 5.0)
    assert (aggregate.first, aggregate.last, aggregate.total) == (2.0, 9.0, None)
    assert (aggregate.datastream, aggregate.size, aggregate.start, aggregate.revision) == (7, MINUTE, 0, 99)


def test_a_property_that_adds_up_has_a_sum() -> None:
    assert aggregated(filled(3.0, 0.0, 4.0, kind="sum"), kind="sum").total == 7.0


def test_a_counter_has_its_increase_and_no_mean() -> None:
    readings = (Reading(100.0, increase=2.0), Reading(103.0, increase=3.0), Reading(1.0, increase=1.0))
    aggregate = aggregated(filled(*readings, kind="counter"), kind="counter")
    assert aggregate.total == 6.0
    assert aggregate.mean is None
    assert (aggregate.first, aggregate.last) == (100.0, 1.0)
    assert aggregate.sketch == b""


def test_directions_have_a_circular_mean_and_no_minimum_or_maximum() -> None:
    aggregate = aggregated(filled(350.0, 20.0, kind="circular_mean"), kind="circular_mean")
    assert aggregate.mean == pytest.approx(5.0)
    assert (aggregate.minimum, aggregate.maximum, aggregate.total) == (None, None, None)
    assert aggregate.sketch == b""


def test_directions_that_cancel_out_have_no_mean() -> None:
    assert aggregated(filled(10.0, 190.0, kind="circular_mean"), kind="circular_mean").mean is None


def test_suspect_values_are_counted_separately_and_set_the_flags() -> None:
    aggregate = aggregated(filled(2.0, Reading(900.0, QualityFlag.SPIKE), Reading(4.0, QualityFlag.LATE)))
    assert (aggregate.count, aggregate.suspect) == (2, 1)
    assert aggregate.flags == QualityFlag.SPIKE | QualityFlag.LATE
    assert (aggregate.maximum, aggregate.mean) == (4.0, 3.0)


def test_a_window_of_suspect_values_only_has_flags_and_no_value() -> None:
    aggregate = aggregated(filled(Reading(5.0, QualityFlag.STUCK), Reading(5.0, QualityFlag.MAINTENANCE)))
    assert (aggregate.count, aggregate.suspect) == (0, 2)
    assert aggregate.flags == QualityFlag.STUCK | QualityFlag.MAINTENANCE
    assert (aggregate.minimum, aggregate.maximum, aggregate.mean, aggregate.total) == (None,) * 4
    assert (aggregate.first, aggregate.last, aggregate.sketch) == (None, None, b"")
    assert aggregate.coverage == 0.0


@pytest.mark.parametrize("flag", list(QualityFlag))
def test_usable_values_are_those_of_usable_quality(flag: QualityFlag) -> None:
    harmless = {
        QualityFlag.TIME_OF_RECEPTION, QualityFlag.ESTIMATED, QualityFlag.LATE, QualityFlag.CLOCK_SKEW,
        QualityFlag.FOUND_LATER, QualityFlag.LEVEL_SHIFT,
    }  # fmt: skip
    assert filled(Reading(1.0, flag)).count == (1 if flag in harmless else 0)


def test_first_and_last_follow_event_time() -> None:
    accumulator = WindowAccumulator()
    for time, value in ((30, 3.0), (10, 1.0), (50, 5.0), (20, 2.0)):
        accumulator.add(time, value, 0, "mean")
    assert (accumulator.first, accumulator.last) == (1.0, 5.0)


@pytest.mark.parametrize("time", [INSTANT_MIN, INSTANT_MAX])
def test_the_least_and_the_greatest_instant_are_counted(time: int) -> None:
    accumulator = WindowAccumulator()
    accumulator.add(time, 4.0, 0, "mean")
    assert (accumulator.first, accumulator.last) == (4.0, 4.0)


@pytest.mark.parametrize(
    ("values", "interval", "expected", "coverage"),
    [
        (6, 10 * SECOND, 6.0, 1.0),
        (3, 10 * SECOND, 6.0, 0.5),
        (9, 10 * SECOND, 6.0, 1.0),
        (1, 2 * MINUTE, 0.5, 1.0),
        (1, 0, 0.0, None),
    ],
)
def test_coverage_is_the_usable_share_of_the_expected_observations(
    values: int, interval: Duration, expected: float, coverage: float | None
) -> None:
    aggregate = aggregated(filled(*([1.0] * values)), interval=interval)
    assert aggregate.expected == expected
    assert aggregate.coverage == coverage


def test_percentiles_are_those_of_the_usable_values() -> None:
    accumulator = filled(*(float(n) for n in range(20)), Reading(1e6, QualityFlag.SPIKE))
    assert quantile(Sketch.decode(aggregated(accumulator).sketch), 0.95) == 18.0


def test_the_number_of_single_values_is_limited() -> None:
    accumulator = filled(*(float(n % 50) for n in range(5 * VALUES_MAX)))
    assert len(accumulator.values) <= VALUES_MAX
    assert value_count(accumulator.sketch()) == accumulator.count == 5 * VALUES_MAX


def test_a_copy_is_independent() -> None:
    original = filled(1.0, 2.0)
    copied = original.copy()
    copied.add(99, 50.0, 0, "mean")
    assert (original.count, original.maximum, value_count(original.sketch())) == (2, 2.0, 2)
    assert copied.count == 3


@pytest.mark.parametrize("values", [0, 3, VALUES_MAX + 1])
def test_an_accumulator_survives_a_checkpoint(values: int) -> None:
    accumulator = filled(*(float(n) for n in range(values)), Reading(7.0, QualityFlag.STUCK))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(accumulator), type=WindowAccumulator) == accumulator


def test_an_aggregate_survives_the_log() -> None:
    aggregate = aggregated(filled(1.0, 2.0))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(aggregate), type=Aggregate) == aggregate
