"""The settings of the historian."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import RoleSettings
from storage.stores.quarantine_usage import QuarantineLimits


class HistorianSettings(RoleSettings):
    """The settings of the historian, from environment variables `LIVETWIN_*`."""

    historian_rows_max: int = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="The most observations in one transaction; its last record may exceed this.",
    )
    historian_bytes_max: int = Field(
        default=8 * 1024 * 1024,
        ge=1024,
        le=1024**3,
        description="The most bytes of log records in one transaction; its last record may exceed this.",
    )
    historian_pause_ms: int = Field(
        default=75,
        ge=0,
        le=10_000,
        description="The least time between two transactions, so that few records do not cause a commit "
        "each.",
    )
    historian_pause_max_ms: int = Field(
        default=300,
        ge=0,
        le=10_000,
        description="The time between two transactions under load, unless one is full earlier: large ones "
        "cost less per observation.",
    )
    historian_hold_ms: int = Field(
        default=3_000,
        ge=0,
        le=60_000,
        description="The longest time that changing states wait to be written together; observations do "
        "not wait.",
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
        description="The most days to keep single values of personal sensors, and their aggregates of "
        "minutes; the retention of a property may be shorter.",
    )
    retention_payload_days: int = Field(
        default=7, ge=1, le=36_600, description="Days to keep the payloads of messages."
    )
    retention_quarantine_days: int = Field(
        default=30, ge=1, le=36_600, description="Days to keep quarantined messages."
    )
    quarantine_total_bytes_max: int = Field(
        default=2 * 1024**3,
        ge=1024,
        description="Bytes of quarantined messages in all. Beyond it, and the two below, a message is kept "
        "without its payload; beyond a quarter more it is only counted.",
    )
    quarantine_feed_bytes_max: int = Field(
        default=1024**3, ge=1024, description="Bytes of quarantined messages of one feed."
    )
    quarantine_device_bytes_max: int = Field(
        default=64 * 1024**2, ge=1024, description="Bytes of quarantined messages of one device."
    )
    retention_alarm_days: int = Field(
        default=1_095,
        ge=1,
        le=36_600,
        description="Days to keep events of alarms, closed incidents and notifications.",
    )
    retention_audit_days: int = Field(
        default=1_095,
        ge=1,
        le=36_600,
        description="Days to keep the audit log of the API: changes, and readings of personal data.",
    )
    retention_rows_max: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="The most quarantined messages, events of alarms, or records of the audit log, to delete "
        "in one transaction.",
    )

    def quarantine_limits(self) -> QuarantineLimits:
        """Return the limits of quarantine."""
        return QuarantineLimits(
            total=self.quarantine_total_bytes_max,
            feed=self.quarantine_feed_bytes_max,
            device=self.quarantine_device_bytes_max,
        )
