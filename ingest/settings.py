"""Settings of the ingest role."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from runtime.mqtt.access import MqttSettings

RECEIVE_STORED_MAX = 10_000
"""Most messages that may wait to be stored: `storage.stores.ledger.UNCONFIRMED_MAX`.

Beyond it the ledger would count messages of a lost log as lost, although the broker sends them again.
"""


class IngestSettings(MqttSettings):
    """Environment variables `LIVETWIN_*` of `livetwin ingest`."""

    mqtt_client_id: str = Field(
        default="livetwin-ingest-0",
        description="Client id, fixed per replica: the broker keeps the session for this id only. It is the "
        "name of the account where the broker binds both, and else a secret.",
    )
    mqtt_share: str = Field(
        default="livetwin",
        description="Name of the shared subscription of all replicas; empty for a single replica without a "
        "shared subscription, which Mosquitto keeps over its own restart (it loses shared ones).",
    )
    mqtt_keepalive_s: int = Field(
        default=15,
        ge=5,
        le=3600,
        description="MQTT keep-alive, seconds; a half-open connection is closed within twice this time.",
    )
    session_expiry_s: int = Field(
        default=7 * 24 * 3600,
        ge=60,
        description="How long the broker keeps the session of an absent replica, seconds.",
    )
    acknowledge: Literal["logged", "stored"] = Field(
        default="logged",
        description="When a message is acknowledged: `logged`, after Kafka confirmed it, or `stored`, after "
        f"the historian committed it; then `LIVETWIN_RECEIVE_MAX` is at most {RECEIVE_STORED_MAX}.",
    )
    receive_max: int = Field(
        default=5_000,
        ge=1,
        le=65_535,
        description="Unacknowledged messages at which the broker stops sending.",
    )
    buffer_bytes_max: int = Field(
        default=32 * 1024 * 1024,
        ge=1024,
        description="Unacknowledged bytes at which the socket is no longer read.",
    )
    batch_messages_max: int = Field(
        default=2_000, ge=1, description="Messages in one batch to Kafka, at most."
    )
    batch_interval_ms: int = Field(
        default=20,
        ge=0,
        le=1_000,
        description="Interval between batches of a few messages, milliseconds; after a batch of up to three "
        "messages there is no wait.",
    )
    batch_interval_max_ms: int = Field(
        default=40,
        ge=0,
        le=1_000,
        description="Interval between batches of many hundred messages, milliseconds: each record costs all "
        "its readers, so many messages share few records.",
    )
    payload_bytes_max: int = Field(
        default=256 * 1024, ge=1024, description="Largest payload that is decoded, bytes."
    )
    quarantine_bytes_max: int = Field(
        default=256 * 1024,
        ge=0,
        le=512 * 1024,
        description="Bytes of a payload that quarantine keeps; the rest is counted only.",
    )
    future_max_s: int = Field(
        default=300, ge=0, description="How far the clock of a device may be ahead, seconds."
    )
    past_max_days: int = Field(
        default=366,
        ge=1,
        description="Greatest age of an observation, days; a property may have its own limit (`ageMax`).",
    )
    accept_replay: bool = Field(
        default=False,
        description="Whether the user properties `livetwin-replay-time` and `livetwin-replay-rank` of a "
        "message set its time of reception and rank (`livetwin replay`); only for brokers on which nobody "
        "else may publish.",
    )
    pseudonym_key: SecretStr = Field(
        default=SecretStr("livetwin-development-key"),
        description="Secret key of the pseudonyms of meter ids.",
    )
    keep_payloads: bool = Field(
        default=True,
        description="Whether payloads of usable messages are kept, redacted as in quarantine; their hashes "
        "always are.",
    )
    tick_interval_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="How often the time is written to partitions without other records, seconds.",
    )

    def session_file(self) -> Path:
        """Return the file that tells whether the broker should have the session of this replica."""
        name = hashlib.blake2b(f"{self.mqtt_host}\0{self.mqtt_client_id}".encode(), digest_size=8).hexdigest()
        return self.state_dir / f"mqtt-session-{name}"

    @field_validator("receive_max")
    @classmethod
    def _bounded_waiting(cls, receive_max: int, others: ValidationInfo) -> int:
        if others.data.get("acknowledge") == "stored" and receive_max > RECEIVE_STORED_MAX:
            raise ValueError(f"at most {RECEIVE_STORED_MAX} with LIVETWIN_ACKNOWLEDGE=stored")
        return receive_max
