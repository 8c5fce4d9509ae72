"""The series of derived values that follow from records of `updates`, as the historian stores them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import TypeAlias

from runtime.kafka import topics
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.instant import Instant
from twin.wire.messages import UPDATES, SeriesRepair, Update, UpdateKind

Series: TypeAlias = dict[tuple[str, str], dict[Instant, tuple[float, int, int]]]
"""By entity and name, value, flags and count by phenomenon time."""


def series_of(updates: Iterable[Update]) -> Series:
    """Return the series: of each time the greatest revision, without values that were withdrawn."""
    newest: dict[tuple[str, str, Instant], Update] = {}
    for update in updates:
        is_newest = update.kind is UpdateKind.INDICATOR and update.last_good is None
        if is_newest or update.kind is UpdateKind.AMENDMENT:
            key = update.entity, update.property, update.phenomenon_time
            if key not in newest or update.revision > newest[key].revision:
                newest[key] = update
    found: defaultdict[tuple[str, str], dict[Instant, tuple[float, int, int]]] = defaultdict(dict)
    for key in sorted(newest):
        update = newest[key]
        if not math.isnan(update.value):
            found[key[:2]][key[2]] = update.value, update.flags, update.count
    return dict(found)


def published_updates(pipeline: StagePipeline) -> list[Update]:
    """Return all updates of a pipeline, by partition in order."""
    return [
        update
        for number in range(pipeline.partitions)
        for value in pipeline.records[topics.UPDATES, number]
        for update in UPDATES.decode(value).updates
    ]


def requested_repairs(pipeline: StagePipeline) -> set[SeriesRepair]:
    """Return the spans of series that the stages leave to storage."""
    return {
        repair
        for number in range(pipeline.partitions)
        for value in pipeline.records[topics.UPDATES, number]
        for repair in UPDATES.decode(value).repairs
    }
