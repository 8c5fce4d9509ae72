"""Settings of the stream role."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import RoleSettings


class StreamSettings(RoleSettings):
    """Environment variables `LIVETWIN_*` of `livetwin stream`."""

    group: str = Field(default="livetwin-stream", description="Consumer group, and prefix of the changelog.")
    session_timeout_s: float = Field(
        default=6.0,
        ge=1.0,
        description="Kafka group session, seconds: a worker that dies is missed after so long. Apache Kafka "
        "allows 6 and more; `livetwin up` sets 2.",
    )
    checkpoint_interval_s: float = Field(
        default=20.0,
        gt=0,
        description="What is replayed after a crash, seconds; a checkpoint is written over the last quarter. "
        "More with so many datastreams that encoding would take a twentieth of the time.",
    )
    checkpoint_records_max: int = Field(
        default=5_000, ge=1, description="Most records of a partition between two checkpoints."
    )
    buckets: int = Field(
        default=16, ge=1, le=1024, description="Checkpoint entries of a partition; never changes for a group."
    )
    future_max_s: int = Field(default=300, ge=0, description="How far ahead of reception a time may be, s.")
