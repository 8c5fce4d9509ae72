"""Records of the topic `observations` without message headers."""

from __future__ import annotations

from collections.abc import Sequence

from twin.instant import Instant
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import OBSERVATIONS, ObservationBatch


def encode_observations(observations: Sequence[Observation], time: Instant) -> bytes:
    """Return a record of observations as bytes, without message headers."""
    return OBSERVATIONS.encode(ObservationBatch(LAYOUT_VERSION, tuple(observations), time))
