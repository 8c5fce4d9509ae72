"""How many live subscribers one client may have."""

from __future__ import annotations

import pytest

from api.context import Context
from api.entities.selection import Filter
from api.http.problems import ProblemError
from api.live.event_stream import LiveStreams
from api.live.log_replay import LogReplay


def streams(parts: Context, total: int = 10, of_one: int | None = 2) -> LiveStreams:
    return LiveStreams(
        parts.hub,
        LogReplay("127.0.0.1:9", 1),
        parts.metrics,
        subscribers_max=total,
        client_subscribers_max=of_one,
        queue_bytes_max=1_000,
    )


async def test_one_client_has_so_many_and_others_have_theirs(parts: Context) -> None:
    made = streams(parts)
    with made.seat(Filter(), "a"), made.seat(Filter(), "a"), made.seat(Filter(), "b"):
        with pytest.raises(ProblemError) as refused, made.seat(Filter(), "a"):
            pass
        assert refused.value.status == 429
        assert refused.value.headers["Retry-After"]
        with made.seat(Filter(), "b"):
            pass
    with made.seat(Filter(), "a"), made.seat(Filter(), "a"):
        pass


async def test_who_has_no_name_is_bounded_by_the_total_alone(parts: Context) -> None:
    made = streams(parts, total=3)
    with made.seat(Filter()), made.seat(Filter()), made.seat(Filter()):
        with pytest.raises(ProblemError) as refused, made.seat(Filter()):
            pass
        assert refused.value.status == 503
