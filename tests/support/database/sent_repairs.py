"""The log for repairs without a stream."""

from __future__ import annotations

from collections.abc import Sequence

from twin.wire.messages import AreaInput, SeriesPoint


class SentRepairs:
    """What repairs have told the stream."""

    def __init__(self) -> None:
        self.votes: list[AreaInput] = []
        self.points: list[SeriesPoint] = []

    async def send_votes(self, votes: Sequence[AreaInput]) -> None:
        """Keep votes."""
        self.votes += votes

    async def send_points(self, points: Sequence[SeriesPoint]) -> None:
        """Keep points."""
        self.points += points
