"""The topic `area-inputs` for repairs of areas without a stream."""

from __future__ import annotations

from collections.abc import Sequence

from twin.wire.messages import AreaInput


class SentVotes:
    """What repairs have sent to the stages of areas."""

    def __init__(self) -> None:
        self.votes: list[AreaInput] = []

    async def send_votes(self, votes: Sequence[AreaInput]) -> None:
        """Keep votes."""
        self.votes += votes
