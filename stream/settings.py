"""Settings of the stream role."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import RoleSettings


class StreamSettings(RoleSettings):
    """Environment variables `LIVETWIN_*` of `livetwin stream`."""

    group: str = Field(
        default="livetwin-stream", description="Kafka consumer group, and prefix of the changelog topic."
    )
    session_timeout_s: float = Field(
        default=6.0,
        ge=1.0,
        description="Session timeout of the Kafka group, seconds: a dead worker is detected after this time. "
        "Apache Kafka allows 6 and more; `livetwin up` sets 2.",
    )
    checkpoint_interval_s: float = Field(
        default=20.0,
        gt=0,
        description="Seconds between checkpoints, which a crash replays; each is written over the last "
        "quarter. Longer when encoding would take more than a twentieth of the time.",
    )
    checkpoint_records_max: int = Field(
        default=5_000, ge=1, description="Maximum records of a partition between two checkpoints."
    )
    buckets: int = Field(
        default=16,
        ge=1,
        le=1024,
        description="Checkpoint entries of a partition; must never change for a group.",
    )
    future_max_s: int = Field(
        default=300,
        ge=0,
        description="Maximum time that an observation may be ahead of its reception, seconds.",
    )
