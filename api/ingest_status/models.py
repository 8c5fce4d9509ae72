"""Models of the ledger, of quarantined messages, and of devices without a sensor."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from api.entities.models import SensorId
from api.http.models import Count, Link, Model, Time
from api.http.pages import Page

FeedName: TypeAlias = Annotated[str, Meta(description="Empty for topics without a feed.", examples=["ttn"])]
QuarantineId: TypeAlias = Annotated[str, Meta(examples=["9a4ef3f1c2d35f6e0b6d7a81"])]
DeviceName: TypeAlias = Annotated[
    str, Meta(description="Its name in the feed.", examples=["eui-70b3d57ed0001234"])
]
Topic: TypeAlias = Annotated[str, Meta(description="At most 512 characters of it.")]


class PayloadLinks(Model, frozen=True, kw_only=True):
    """Link to a payload, where the role may see it."""

    payload: Link | UnsetType = UNSET


class QuarantinedMessageModel(Model, frozen=True, kw_only=True):
    """A message that was not accepted; what the role may not see is null."""

    id: QuarantineId
    feed: FeedName
    device: DeviceName | None
    topic: Topic | None
    received_time: Time
    reason: Annotated[str, Meta(examples=["malformed", "unknown-sensor"])]
    detail: str | None
    decoder: str | None
    decoder_version: int | None
    observations: Annotated[Count, Meta(description="Usable ones in the message.")]
    attempts: Annotated[Count, Meta(description="Replays that are over.")]
    replay_state: Literal["none", "requested", "resolved"]
    replay_requested_time: Time | None
    resolved_time: Time | None
    payload_bytes: Annotated[Count, Meta(description="Length of the whole payload.")]
    payload_sha256: Annotated[str, Meta(description="Of the whole payload, hexadecimal.")] | None
    payload_truncated: bool
    links: PayloadLinks


class QuarantinedMessageWithPayload(QuarantinedMessageModel, frozen=True, kw_only=True):
    """A message that was not accepted, with the kept beginning of its payload."""

    payload: Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})] | None


class QuarantineLinks(Model, frozen=True, kw_only=True):
    """Link to the messages that no replay has resolved."""

    quarantine: Link


class RequestedReplay(Model, frozen=True, kw_only=True):
    """The request of a replay."""

    id: QuarantineId
    requested: Annotated[Count, Meta(description="0 when it was requested or resolved before.")]
    replay_state: Literal["requested", "resolved"]
    links: QuarantineLinks


class RequestedReplays(Model, frozen=True, kw_only=True):
    """The request of the replay of several messages."""

    requested: Count
    limit: Annotated[Count, Meta(description="The most messages of one request.")]
    links: QuarantineLinks


class OutcomeCountsModel(Model, frozen=True, kw_only=True):
    """Outcomes of messages and of observations."""

    received: Count
    accepted: Count
    quarantined: Count
    observations: Count
    new: Count
    corrected: Count
    superseded: Count
    duplicate: Count
    replayed: Count
    resolved: Count


class LedgerRowModel(OutcomeCountsModel, frozen=True, kw_only=True):
    """What became of what one feed received in one minute."""

    feed: FeedName
    minute: Time


class LedgerTotals(OutcomeCountsModel, frozen=True, kw_only=True):
    """Sums of outcomes, and whether they agree."""

    equations: Annotated[list[str], Meta(examples=[["received 120 = accepted 118 + quarantined 2"]])]
    balanced: bool


class LedgerBalanceModel(LedgerTotals, frozen=True, kw_only=True):
    """Everything that was ever received, and what is stored of it."""

    stored: Count
    removed: Annotated[Count, Meta(description="By retention.")]
    missing: Annotated[Count, Meta(description="Numbers of messages that are not in the ledger.")]
    lost: Annotated[Count, Meta(description="Those of them that were acknowledged.")]


class SequenceHole(Model, frozen=True, kw_only=True):
    """Missing numbers of messages; `end` is exclusive."""

    start: Count
    end: Count


class IngestSessionModel(Model, frozen=True, kw_only=True):
    """The messages of one run of ingest."""

    session: str
    first_received: Annotated[Time, Meta(description="To the minute.")]
    last_received: Annotated[Time, Meta(description="To the minute.")]
    messages: Count
    last_sequence: int
    missing: int
    lost: Count
    holes: list[SequenceHole]


class SessionInterruptionModel(Model, frozen=True, kw_only=True):
    """A time at which the broker may have given messages to another client, or deleted them."""

    reason: Annotated[str, Meta(examples=["session-taken-over", "session-lost"])]
    time: Time
    detail: str


class QuarantineUsageModel(Model, frozen=True, kw_only=True):
    """The size of quarantine, and what its limits left out."""

    bytes: Count
    heads_only: Annotated[Count, Meta(description="Messages without their payload.")]
    counted_only: Annotated[Count, Meta(description="Messages of which only the number is known.")]


class LedgerPage(Page[LedgerRowModel], frozen=True, kw_only=True):
    """A page of the ledger of an interval, and the balance of everything."""

    start: Time
    end: Time
    balanced: bool
    balance: LedgerBalanceModel
    totals: LedgerTotals
    sessions: list[IngestSessionModel]
    interruptions: list[SessionInterruptionModel]
    quarantine: QuarantineUsageModel


class UnassignedMessageModel(Model, frozen=True, kw_only=True):
    """A message of a device without a sensor."""

    topic: Topic | None  #: null below the role operator
    received_time: Time
    payload_bytes: Count
    links: PayloadLinks


class SensorTemplate(Model, frozen=True, kw_only=True):
    """How to assign a device to a sensor."""

    how: str
    sensors_yaml: Annotated[str, Meta(description="An item of sensors.yaml.")]


class UnassignedDeviceModel(Model, frozen=True, kw_only=True):
    """A device without a sensor, with its newest messages."""

    feed: FeedName
    device: DeviceName | None  #: null below the role operator
    count: Annotated[Count, Meta(description="Its messages in quarantine.")]
    first_received_time: Time
    last_received_time: Time
    messages: list[UnassignedMessageModel]
    assign: SensorTemplate | None  #: null below the role operator


class AssignedSensor(Model, frozen=True, kw_only=True):
    """A sensor that was added for a device."""

    sensor_id: SensorId
    model_version: Annotated[Count, Meta(description="The version of the city that has it.")]
    links: QuarantineLinks
