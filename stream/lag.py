"""How far the stages are behind the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from stream.engine.worker import StreamWorker
from stream.metrics import StreamMetrics

LAG_INTERVAL_S = 1.0


async def measure_lag(app: Any, workers: Mapping[str, StreamWorker], metrics: StreamMetrics) -> None:
    """Tell about every second how many records of its partitions each stage has not applied."""
    while True:
        await asyncio.sleep(LAG_INTERVAL_S)
        behind = dict.fromkeys(workers, 0)
        for tp in app.consumer.assignment():
            # What Kafka told with the last fetch; None before the first.
            end = app.consumer.highwater(tp) if tp.topic in workers else None
            if end is not None:
                behind[tp.topic] += max(0, end - workers[tp.topic].position(tp.partition) - 1)
        for topic, records in behind.items():
            metrics.lag.labels(topic).set(records)
