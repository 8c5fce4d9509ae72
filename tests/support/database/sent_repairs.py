"""The log for repairs without a stream."""

from __future__ import annotations

from collections.abc import Sequence

from storage.maintenance.log_end import LogEnd
from twin.wire.messages import AreaInput, SeriesPoint


class SentRepairs:
    """What repairs have told the stream."""

    def __init__(self) -> None:
        self.area_inputs: list[AreaInput] = []
        self.points: list[SeriesPoint] = []

    async def end(self) -> LogEnd:
        """Return the end of a log that has nothing which is not stored."""
        return LogEnd("", {})

    async def send_area_inputs(self, inputs: Sequence[AreaInput]) -> None:
        """Keep inputs of areas."""
        self.area_inputs += inputs

    async def send_points(self, points: Sequence[SeriesPoint]) -> None:
        """Keep points."""
        self.points += points
