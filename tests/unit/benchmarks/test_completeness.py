"""Completeness counts each kind of fault, and none without faults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.load_generator import LoadResult
from benchmarks.measure.completeness import Completeness, SentReadings, check_completeness
from benchmarks.measure.live_events import UNKNOWN_DATASTREAM, LiveEvents
from benchmarks.measure.stored_rows import StoredObservations

CITY = BenchCity(datastreams=40, each=10, packs=True)
START = 1_764_547_200_000_000
MESSAGES = 12


def load() -> LoadResult:
    return LoadResult(
        published=START + np.arange(MESSAGES) // 4,
        acknowledged=np.ones(MESSAGES, np.bool_),
        late_us=np.zeros(MESSAGES, np.int64),
        without_subscriber=0,
        sending_s=1.0,
        acknowledging_s=1.0,
        cpu_s=0.1,
    )


def rows() -> dict[str, Any]:
    readings = np.arange(MESSAGES * CITY.pack)
    return {
        "datastreams": readings % CITY.datastreams,
        "times": np.repeat(load().published, CITY.pack),
        "values": CITY.tenths_of(readings) / 10,
    }


def completeness_of(sent: LoadResult, rows: dict[str, Any]) -> Completeness:
    stored = StoredObservations(**rows, quarantined={})
    events = LiveEvents(
        arrived=rows["times"] + 1000,
        phenomenon=rows["times"],
        datastreams=rows["datastreams"],
        values=rows["values"],
    )
    return check_completeness(SentReadings(CITY.traffic, sent), sent, stored, events)


def test_a_complete_run_has_no_faults() -> None:
    balance = completeness_of(load(), rows())
    assert balance.faults == []
    assert (balance.acknowledged, balance.readings, balance.told.count) == (12, 120, 120)


def test_a_missing_reading_is_lost() -> None:
    kept = {name: column[3:] for name, column in rows().items()}
    assert completeness_of(load(), kept).faults == [
        "3 acknowledged but not stored",
        "3 acknowledged but not told",
    ]


def test_a_reading_without_acknowledgement_is_not_lost() -> None:
    sent = load()
    sent.acknowledged[0] = False
    kept = {name: column[CITY.pack :] for name, column in rows().items()}
    assert completeness_of(sent, kept).faults == ["1 sent but not acknowledged"]


def test_a_message_that_was_not_sent_has_no_reading() -> None:
    sent = replace(load(), published=np.append(load().published, 0))
    sent = replace(sent, acknowledged=np.append(sent.acknowledged, False))
    assert completeness_of(sent, rows()).faults == []


def test_a_repeated_reading_is_a_duplicate() -> None:
    twice = {name: np.concatenate([column, column[:2]]) for name, column in rows().items()}
    assert completeness_of(load(), twice).faults == ["2 stored more than once", "2 told more than once"]


def test_a_reading_with_another_value_is_altered() -> None:
    changed = rows()
    changed["values"][5] += 0.1
    assert completeness_of(load(), changed).faults == [
        "1 stored with another value",
        "1 told with another value",
    ]


@pytest.mark.parametrize(
    ("datastream", "time"),
    [(UNKNOWN_DATASTREAM, START), (0, START - 1), (0, START + 1_000_000), (39, START + 5)],
)
def test_a_reading_that_was_never_sent_is_unexpected(datastream: int, time: int) -> None:
    more = {
        name: np.append(column, value)
        for (name, column), value in zip(rows().items(), (datastream, time, 20.0), strict=True)
    }
    assert completeness_of(load(), more).faults == ["1 stored but never sent", "1 told but never sent"]
