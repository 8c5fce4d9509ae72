"""Query parameters and bodies of duty and of notifications."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from api.http.bodies import RequestBody
from api.http.parameters import Names, PageParameters, Parameters, TimeText, split_names
from runtime.sink_address import URL_CHARACTERS_MAX
from twin.instant import DAY, Duration
from twin.model.plain_text import check_lines

ROSTER_DEFAULT: Duration = 28 * DAY
ROSTER_MAX: Duration = 366 * DAY
NOTE_CHARACTERS_MAX = 1_000
DEVICE_CHARACTERS_MAX = 100

NotificationOutcome = Literal["sending", "sent", "failed", "given-up", "withdrawn"]


class OnCallParameters(Parameters):
    """Which teams, at which time."""

    at: TimeText | None = Field(default=None, description="Now by default.")
    team: Names = Field(default=[], description="Ids of teams; all by default.")


class RosterParameters(Parameters):
    """Which teams, in which interval."""

    start: TimeText | None = Field(default=None, description="Inclusive; now by default.")
    end: TimeText | None = Field(
        default=None, description="Exclusive; 28 days after `start` by default, at most 366."
    )
    team: Names = Field(default=[], description="Ids of teams; all by default.")


class OverrideBody(RequestBody):
    """Which contact takes over which team's duty, in which interval."""

    team_id: str = Field(max_length=128, description="Team whose duty is taken over.")
    contact_id: str = Field(max_length=128, description="Contact who takes it over.")
    start: TimeText | None = Field(default=None, description="Inclusive; now by default.")
    end: TimeText = Field(description="Exclusive; at most 366 days after `start`.")
    note: Annotated[str, AfterValidator(check_lines)] = Field(
        default="", max_length=NOTE_CHARACTERS_MAX, description="Reason; shown to the role duty and above."
    )


class PushKeysBody(RequestBody):
    """The keys of a subscription, as `PushSubscription.toJSON()` of a browser has them."""

    p256dh: str = Field(alias="p256dh", max_length=100, description="Public key of the browser, base64url.")
    auth: str = Field(max_length=40, description="Secret of the subscription, base64url.")


class PushSubscriptionBody(RequestBody):
    """Which browser takes the messages of which contact."""

    contact_id: str = Field(max_length=128, description="Contact whose messages it takes.")
    endpoint: str = Field(max_length=URL_CHARACTERS_MAX, description="URL at the push service, https.")
    keys: PushKeysBody
    device: Annotated[str, AfterValidator(check_lines)] = Field(
        default="", max_length=DEVICE_CHARACTERS_MAX, description="A name by which to know it in the list."
    )


class NotificationParameters(PageParameters):
    """Which notifications, the newest first."""

    incident: str | None = Field(default=None, max_length=600, description="Id of an incident.")
    digest: str | None = Field(
        default=None, max_length=600, description="Id of a digest: the messages that it contained."
    )
    contact: str | None = Field(default=None, max_length=200, description="Id of a contact.")
    outcome: Annotated[list[NotificationOutcome], BeforeValidator(split_names)] = Field(
        default=[], description="Outcomes, any of them."
    )
