"""How many live subscribers one client may have."""

from __future__ import annotations

import pytest

from api.context import ApiContext
from api.entities.selection import EntityFilter
from api.http.problems import ProblemError
from api.live.event_stream import EventStreams
from api.live.log_replay import LogReplay


def streams(parts: ApiContext, total: int = 10, of_one: int | None = 2) -> EventStreams:
    return EventStreams(
        parts.hub,
        LogReplay("127.0.0.1:9", 1),
        parts.metrics,
        subscribers_max=total,
        client_subscribers_max=of_one,
        queue_bytes_max=1_000,
    )


async def test_one_client_has_so_many_and_others_have_theirs(parts: ApiContext) -> None:
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


async def test_who_has_no_name_is_bounded_by_the_total_alone(parts: ApiContext) -> None:
    made = streams(parts, total=3)
    with (
        made.open_subscriber(EntityFilter()),
        made.open_subscriber(EntityFilter()),
        made.open_subscriber(EntityFilter()),
    ):
        with pytest.raises(ProblemError) as refused, made.open_subscriber(EntityFilter()):
            pass
        assert refused.value.status == 503
