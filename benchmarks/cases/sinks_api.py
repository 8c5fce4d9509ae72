"""The api part of the case `sinks`: records of `updates` through the live view to subscribers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing

from prometheus_client import CollectorRegistry

from api.entities.selection import EntityFilter
from api.live.event_stream import EventStreams
from api.live.hub import Hub
from api.live.log_replay import LogReplay
from api.metrics import ApiMetrics
from benchmarks.load.log_records import CITY, PARTITIONS, LogLoad, log_city, log_steps
from benchmarks.measure.stages import StageCosts
from runtime.gc_tuning import tune_gc
from storage.historian.log_batch import LogRecord
from twin.instant import SECOND, Instant
from twin.wire.messages import UPDATES

RING_EVENTS_MAX = 50_000

_IDLE = EntityFilter(entities=frozenset({CITY}))
"""The city as a whole, which has no reading."""

QUEUE_BYTES_MAX = 64 * 1024 * 1024
_DEADLINE_S = 60.0


class _Follower:
    """Reads a live stream and counts its events."""

    def __init__(self, streams: EventStreams) -> None:
        self.events = self.bytes = 0
        self.joined = asyncio.Event()
        self._streams = streams

    async def follow(self, wanted: EntityFilter) -> None:
        """Read from the snapshot on."""
        with self._streams.open_subscriber(wanted) as subscriber:
            stream = self._streams.frames(subscriber, frozenset({"snapshot", "state"}), None)
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    self.joined.set()
                    self.events += chunk.count(b"\nevent: state\n")
                    self.bytes += len(chunk)


async def measure_api(load: LogLoad, count: int, subscribers: int, idle: int = 0) -> dict[str, float]:
    """Return the cost of each stage in µs an event, with this number of subscribers without a filter.

    The filters of `idle` others match no event. The first event of each datastream is not counted.
    """
    first = -(-load.datastreams // load.record)
    done = list(log_steps(load, first + count))
    now = _last(done[-1].updates)
    metrics = ApiMetrics(CollectorRegistry())
    city = log_city(load)
    hub = Hub(city, lambda: now, metrics, partitions=PARTITIONS, ring_events_max=RING_EVENTS_MAX)
    hub.log_id = "bench-log"
    hub.seeded.set()
    streams = EventStreams(
        hub,
        LogReplay("", 1),
        metrics,
        subscribers_max=subscribers + idle,
        queue_bytes_max=QUEUE_BYTES_MAX,
    )
    followers = [_Follower(streams) for _ in range(subscribers)]
    waiting = [_Follower(streams) for _ in range(idle)]
    reading = [asyncio.create_task(one.follow(EntityFilter())) for one in followers]
    reading += [asyncio.create_task(one.follow(_IDLE)) for one in waiting]
    for follower in (*followers, *waiting):
        await asyncio.wait_for(follower.joined.wait(), _DEADLINE_S)
    tune_gc()
    try:
        records = [one.updates for one in done]
        await _process(hub, followers, records[:first], load.record)
        return await _process(hub, followers, records[first:], load.record)
    finally:
        streams.close()
        await asyncio.gather(*reading)


async def _process(
    hub: Hub, followers: Sequence[_Follower], records: Sequence[LogRecord], events: int
) -> dict[str, float]:
    stages = StageCosts()
    for follower in followers:
        follower.events = follower.bytes = 0
    own = time.process_time_ns()
    for record in records:
        with stages.stage("decode"):
            batch = UPDATES.decode(record.value)
        with stages.stage("view, encoding, offer"):
            hub.on_updates(record.partition, record.offset, batch.updates, record.value)
        with stages.stage("send"):
            await asyncio.sleep(0)
    async with asyncio.timeout(_DEADLINE_S):
        while any(  # noqa: ASYNC110 - the hub feeds the follower, which signals nobody
            one.events < len(records) * events for one in followers
        ):
            await asyncio.sleep(0)
    all_of_them = len(records) * events
    found = {name: cost.own / 1000 / all_of_them for name, cost in stages.costs.items()}
    found["in all"] = (time.process_time_ns() - own) / 1000 / all_of_them
    if followers:
        found["bytes"] = followers[0].bytes / all_of_them
    return found


def _last(record: LogRecord) -> Instant:
    return max(one.received_time for one in UPDATES.decode(record.value).updates) + SECOND
