"""Query parameters and bodies of the endpoints of duty."""

from __future__ import annotations

from pydantic import Field

from api.http.bodies import RequestBody
from api.http.parameters import Names, Parameters, TimeText, parse_time
from twin.instant import DAY, Duration, Instant

ROSTER_DEFAULT: Duration = 28 * DAY
ROSTER_MAX: Duration = 366 * DAY
NOTE_CHARACTERS_MAX = 1_000


class OnCallParameters(Parameters):
    """Of which teams, and when."""

    at: TimeText | None = Field(default=None, description="Now by default.")
    team: Names = Field(default=[], description="Ids of teams; all by default.")


class RosterParameters(Parameters):
    """Of which teams, from when until when."""

    start: TimeText | None = Field(default=None, description="Inclusive; now by default.")
    end: TimeText | None = Field(
        default=None, description="Exclusive; 28 days after `start` by default, at most 366."
    )
    team: Names = Field(default=[], description="Ids of teams; all by default.")


class OverrideBody(RequestBody):
    """Who takes over whose duty, from when until when."""

    team_id: str = Field(max_length=128, description="Whose duty.")
    contact_id: str = Field(max_length=128, description="Who takes it over.")
    start: TimeText | None = Field(default=None, description="Inclusive; now by default.")
    end: TimeText = Field(description="Exclusive; at most 366 days after `start`.")
    note: str = Field(default="", max_length=NOTE_CHARACTERS_MAX, description="Why; for those who have duty.")


def instant_or(text: str | None, default: Instant) -> Instant:
    """Return the instant of a checked text, or a default where there is none."""
    return default if text is None else parse_time(text)
