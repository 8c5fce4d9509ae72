"""The search for the highest rate ends near the capacity of the system."""

from __future__ import annotations

import pytest

from benchmarks.load.bench_city import BenchCity
from benchmarks.measure.completeness import Completeness, SinkCompleteness
from benchmarks.measure.end_to_end import EndToEndRun, RunOptions
from benchmarks.measure.latency import summarise
from benchmarks.measure.max_rate_search import TRIES_MAX, keeps_up, search_max_rate
from benchmarks.measure.stored_rows import DatabaseSize
from benchmarks.measure.worker_process import BenchmarkError

CITY = BenchCity(datastreams=400, each=10, packs=True)
NOTHING = summarise([])


def side(lost: int = 0) -> SinkCompleteness:
    return SinkCompleteness(count=0, lost=lost, duplicates=0, altered=0, unexpected=0)


def run(rate: float, capacity: float, lost: int = 0) -> EndToEndRun:
    """Return a run of a system with this capacity, in messages a second."""
    delivered = min(rate, capacity)
    return EndToEndRun(
        options=RunOptions(rate=round(rate), seconds=20, connections=4, city=CITY, keep=False),
        machine={},
        balance=Completeness(
            sent=0,
            acknowledged=0,
            unheard=0,
            readings=0,
            quarantined=0,
            stored=side(lost),
            told=side(),
            gaps=0,
        ),
        rate=rate,
        delivered_rate=delivered * CITY.pack,
        late=NOTHING,
        latency=NOTHING,
        steady=NOTHING,
        seconds=[],
        delivered_after_s=20 * (rate - delivered) / capacity,
        stored_after_s=0.0,
        usage={},
        usage_s=20.0,
        idle_cores={},
        other_cores=0.0,
        records={},
        added=DatabaseSize(0, 0, 0),
        event_bytes=0,
        restarted=[],
        recycles=0,
    )


def ignore(_: str) -> None:
    return


@pytest.mark.parametrize("start", [7_000, 9_500, 10_000, 10_700, 13_000])
def test_the_highest_rate_is_near_the_capacity_of_the_system(start: float) -> None:
    tried, highest = search_max_rate(lambda rate: run(rate, 10_000), start, ignore)
    assert len(tried) <= TRIES_MAX
    assert keeps_up(highest)
    assert 9_500 <= highest.options.rate <= 10_400


def test_no_rate_is_tried_again() -> None:
    tried, highest = search_max_rate(lambda rate: run(rate, 1_750), 1_800, ignore)
    rates = [one.options.rate for one in tried]
    assert len(set(rates)) == len(rates)
    assert highest.options.rate == 1_800


def test_a_rate_with_lost_readings_does_not_count() -> None:
    _, highest = search_max_rate(lambda rate: run(rate, 20_000, lost=int(rate > 9_000)), 10_000, ignore)
    assert highest.options.rate <= 9_000


def test_a_system_that_sustains_no_rate_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="keeps up with none of 10000"):
        search_max_rate(lambda rate: run(rate, rate / 2), 10_000, ignore)
