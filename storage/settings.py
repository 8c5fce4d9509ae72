"""Settings of the historian."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import RoleSettings


class HistorianSettings(RoleSettings):
    """What the historian needs, from environment variables `LIVETWIN_*`."""

    historian_rows_max: int = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="Observations and updates in one transaction; the last record may go beyond.",
    )
    historian_bytes_max: int = Field(
        default=8 * 1024 * 1024,
        ge=1024,
        le=1024**3,
        description="Bytes of log records in one transaction; the last record may go beyond.",
    )
    historian_pause_ms: int = Field(
        default=75,
        ge=0,
        le=10_000,
        description="Least time between two transactions, so that a trickle does not cost a commit a record.",
    )
