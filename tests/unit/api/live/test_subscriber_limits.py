"""The limit of live subscribers of one client."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from api.context import ApiContext
from api.entities.selection import EntityFilter
from api.http.problems import ProblemError
from api.live.event_stream import REDUCERS_MAX, EventStreams, WantedEvents
from api.live.log_replay import LogReplay
from api.live.reduction import Reduction


def streams(parts: ApiContext, total: int = 10, of_one: int | None = 2) -> EventStreams:
    return EventStreams(
        parts.hub,
        LogReplay("127.0.0.1:9", 1),
        parts.metrics,
        subscribers_max=total,
        client_subscribers_max=of_one,
        queue_bytes_max=1_000,
    )


async def test_the_limit_of_subscribers_is_per_client(parts: ApiContext) -> None:
    made = streams(parts)
    with (
        made.open_subscriber(EntityFilter(), "a"),
        made.open_subscriber(EntityFilter(), "a"),
        made.open_subscriber(EntityFilter(), "b"),
    ):
        with pytest.raises(ProblemError) as refused, made.open_subscriber(EntityFilter(), "a"):
            pass
        assert refused.value.status == 429
        assert refused.value.headers["Retry-After"]
        with made.open_subscriber(EntityFilter(), "b"):
            pass
    with made.open_subscriber(EntityFilter(), "a"), made.open_subscriber(EntityFilter(), "a"):
        pass


async def test_clients_without_identity_share_the_total_limit(parts: ApiContext) -> None:
    made = streams(parts, total=3)
    with (
        made.open_subscriber(EntityFilter()),
        made.open_subscriber(EntityFilter()),
        made.open_subscriber(EntityFilter()),
    ):
        with pytest.raises(ProblemError) as refused, made.open_subscriber(EntityFilter()):
            pass
        assert refused.value.status == 503


async def test_subscribers_whose_values_are_kept_are_limited(parts: ApiContext) -> None:
    made = streams(parts, total=REDUCERS_MAX + 2, of_one=None)
    plain = WantedEvents(EntityFilter(), frozenset({"state"}))
    kept = plain._replace(reduction=Reduction(min_change=1))
    with ExitStack() as stack:
        for _ in range(REDUCERS_MAX):
            stack.enter_context(made.open_stream(kept, "a"))
        with pytest.raises(ProblemError) as refused, made.open_stream(kept, "a"):
            pass
        assert refused.value.status == 503
        for wanted in (plain, plain._replace(reduction=Reduction(fields=frozenset({"value"})))):
            stack.enter_context(made.open_stream(wanted, "a"))
    with made.open_stream(kept, "a"):
        pass


async def test_subscribers_share_the_bytes_of_all_queues(parts: ApiContext) -> None:
    made = EventStreams(
        parts.hub,
        LogReplay("127.0.0.1:9", 1),
        parts.metrics,
        subscribers_max=10,
        queue_bytes_max=1_000,
        queues_bytes_max=1_500,
    )
    with made.open_subscriber(EntityFilter()) as first:
        assert first.queue_bytes_max == 1_000
        with made.open_subscriber(EntityFilter()) as second, made.open_subscriber(EntityFilter()):
            assert (first.queue_bytes_max, second.queue_bytes_max) == (500, 500)
            assert [second.offer(b"x" * 300), second.offer(b"x" * 300)] == [True, False]
        assert first.queue_bytes_max == 1_000
