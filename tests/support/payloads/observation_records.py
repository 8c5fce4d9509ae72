"""Records on `observations` as bytes, without the messages that the observations came in."""

from __future__ import annotations

from collections.abc import Sequence

from twin.instant import Instant
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import OBSERVATIONS, ObservationBatch


def encode_observations(observations: Sequence[Observation], time: Instant) -> bytes:
    """Return an observation record that knows nothing of messages as bytes."""
    return OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION, tuple(observations), time))
