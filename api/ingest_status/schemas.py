"""Query parameters of quarantine, unassigned devices and the ledger."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.http.parameters import (
    LIMIT_DEFAULT,
    OBSERVATIONS_LIMIT_DEFAULT,
    OBSERVATIONS_LIMIT_MAX,
    PageCursor,
    PageLimit,
    Parameters,
    TimeText,
)
from storage.stores.unassigned_devices import UNASSIGNED_DEVICES_MAX
from twin.quality.plausibility import QuarantineReason


class QuarantineFilter(Parameters):
    """Which quarantined messages."""

    feed: str | None = None
    reason: QuarantineReason | None = Field(
        default=None, description="Such as malformed, checksum or out-of-range."
    )
    device: str | None = Field(default=None, description="Name of the device in the feed.")


class QuarantineParameters(QuarantineFilter):
    """Which quarantined messages, newest first."""

    resolved: bool | None = Field(
        default=None, description="Whether a replay has resolved it; both by default."
    )
    cursor: PageCursor = None
    limit: PageLimit = LIMIT_DEFAULT


class UnassignedParameters(Parameters):
    """Which devices without a sensor, the most recently received first."""

    feed: str | None = None
    limit: Annotated[int, Field(ge=1, le=UNASSIGNED_DEVICES_MAX)] = LIMIT_DEFAULT


class LedgerParameters(Parameters):
    """Which rows of the ledger, oldest first."""

    start: TimeText | None = Field(default=None, description="Inclusive; an hour before `end` by default.")
    end: TimeText | None = Field(default=None, description="Exclusive; now by default.")
    feed: str | None = Field(default=None, description="One feed; empty for topics without a feed.")
    cursor: PageCursor = None
    limit: Annotated[int, Field(ge=1, le=OBSERVATIONS_LIMIT_MAX)] = OBSERVATIONS_LIMIT_DEFAULT
