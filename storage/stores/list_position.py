"""The position of a row in a list of the API that is ordered by time and id, newest first."""

from __future__ import annotations

from typing import NamedTuple

from twin.instant import INSTANT_MAX, Instant, to_datetime


class ListPosition(NamedTuple):
    """The time and the id of a row; the next page follows it."""

    time: Instant
    id: str


def position_parameters(before: ListPosition | None) -> dict[str, object]:
    """Return the parameters of a statement that lists the rows after a position, or from the beginning."""
    return {
        "before_time": to_datetime(min(before.time, INSTANT_MAX)) if before is not None else None,
        "before_id": before.id if before is not None else None,
    }
