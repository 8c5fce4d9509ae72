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
        description="Observations in one transaction; the last record may go beyond.",
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
    historian_pause_max_ms: int = Field(
        default=300,
        ge=0,
        le=10_000,
        description="Time between two transactions while much comes, unless one is full before: a large one "
        "costs less for each observation.",
    )
    historian_hold_ms: int = Field(
        default=3_000,
        ge=0,
        le=60_000,
        description="Longest time that states wait to be written together while many change; "
        "observations do not wait.",
    )
    audit_interval_s: int = Field(
        default=3_600,
        ge=60,
        le=7 * 86_400,
        description="Seconds between two audits, which compare the ledger with the tables.",
    )
    retention_interval_s: int = Field(
        default=3_600, ge=60, le=7 * 86_400, description="Seconds between two runs of retention."
    )
    retention_personal_days: int = Field(
        default=7,
        ge=1,
        le=36_600,
        description="Days that single values of personal sensors are kept at most, and their aggregates of "
        "minutes; a property's own retention may be shorter.",
    )
    retention_payload_days: int = Field(
        default=7, ge=1, le=36_600, description="Days that the payloads of messages are kept."
    )
    retention_quarantine_days: int = Field(
        default=30, ge=1, le=36_600, description="Days that quarantined messages are kept."
    )
    retention_alarm_days: int = Field(
        default=1_095,
        ge=1,
        le=36_600,
        description="Days that events of alarms, closed incidents and messages to people are kept.",
    )
    retention_rows_max: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="Quarantined messages, or events of alarms, that retention deletes in one transaction.",
    )
