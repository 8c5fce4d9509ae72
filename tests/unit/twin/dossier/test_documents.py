"""What the documents of a dossier say reads back as it was."""

from __future__ import annotations

import msgspec

from tests.support.payloads.alarm_events import alarm_event
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.rules.operand import ObservationRef, OperandSeries, Point
from twin.dossier.documents import (
    baseline_document,
    baseline_from_document,
    event_document,
    event_from_document,
    point_document,
    points_from_documents,
)
from twin.instant import MINUTE, parse_instant

NOON = parse_instant("2026-11-23T12:00:00Z")
SERIES = OperandSeries("canal", "water_level", "instant", "value")


def on_disk(document: dict[str, object]) -> dict[str, object]:
    """Return a document as a reader has it."""
    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(document))
    return found


def test_an_event_reads_back_as_it_was_written() -> None:
    event = alarm_event(shelved_until=NOON + MINUTE, acknowledged_time=NOON, acknowledged_by="Anna")
    assert event_from_document(on_disk(event_document(event))) == event


def test_a_point_reads_back_as_it_was_written() -> None:
    points = [Point(NOON, 0.1 + 0.2, 4, NOON + MINUTE, (ObservationRef(7, NOON),)), Point.withdrawn(NOON)]
    found = points_from_documents([on_disk(point_document(one)) for one in points])
    assert found[0] == points[0]
    assert found[1].is_withdrawn


def test_a_baseline_reads_back_as_it_was_written() -> None:
    baseline = Baseline({3: [1.25, 1.5], 167: [0.1]}, 10, 2.5, 2)
    assert baseline_from_document(on_disk(baseline_document(SERIES, baseline))) == (SERIES, baseline)
