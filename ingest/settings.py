"""Settings of the ingest role."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from runtime.mqtt.access import MqttSettings

RECEIVE_STORED_MAX = 10_000
"""How many messages may wait to be stored: `storage.stores.ledger.UNCONFIRMED_MAX`. Beyond, the ledger would
count those that a log took with it as lost, although the broker hands them over again."""


class IngestSettings(MqttSettings):
    """Environment variables `LIVETWIN_*` of `livetwin ingest`."""

    mqtt_client_id: str = Field(
        default="livetwin-ingest-0",
        description="Fixed per replica: the broker keeps this session's messages for this id alone.",
    )
    mqtt_share: str = Field(
        default="livetwin",
        description="Name of the shared subscription of all replicas; empty for a single replica that "
        "subscribes alone, which Mosquitto remembers over its own restart (it forgets shared ones).",
    )
    mqtt_keepalive_s: int = Field(
        default=15,
        ge=5,
        le=3600,
        description="MQTT keep-alive, seconds; a half-open connection is given up within twice as long.",
    )
    session_expiry_s: int = Field(
        default=7 * 24 * 3600,
        ge=60,
        description="How long the broker keeps the session of an absent replica, s.",
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
        description="Messages unacknowledged at once; the broker waits beyond.",
    )
    buffer_bytes_max: int = Field(
        default=32 * 1024 * 1024,
        ge=1024,
        description="Bytes unacknowledged at once; the socket is not read beyond.",
    )
    batch_messages_max: int = Field(default=2_000, ge=1, description="Messages of one batch to Kafka.")
    batch_interval_ms: int = Field(
        default=20,
        ge=0,
        le=1_000,
        description="Time between two batches of a few messages, milliseconds; up to three messages wait "
        "for nobody.",
    )
    batch_interval_max_ms: int = Field(
        default=40,
        ge=0,
        le=1_000,
        description="Time between two batches of many hundred messages, milliseconds: each record is dear to "
        "all that read it, so many messages come in few.",
    )
    payload_bytes_max: int = Field(
        default=256 * 1024, ge=1024, description="Largest payload that is decoded."
    )
    quarantine_bytes_max: int = Field(
        default=256 * 1024,
        ge=0,
        le=512 * 1024,
        description="Bytes of a payload that quarantine keeps; the rest is only counted.",
    )
    future_max_s: int = Field(
        default=300, ge=0, description="How far ahead a device's clock may be, seconds."
    )
    past_max_days: int = Field(default=366, ge=1, description="How old an observation may be, days.")
    accept_replay: bool = Field(
        default=False,
        description="Whether a message's user property `livetwin-replay-time` is believed as its time of "
        "reception (`livetwin replay`); never where others than you may publish.",
    )
    pseudonym_key: SecretStr = Field(
        default=SecretStr("livetwin-development-key"), description="Secret of the pseudonyms of meter ids."
    )
    keep_payloads: bool = Field(
        default=True,
        description="Whether the payloads of usable messages are kept, redacted as in quarantine; their "
        "hashes always are.",
    )
    tick_interval_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="How often the log is told the time where nothing else is written, seconds.",
    )

    @field_validator("receive_max")
    @classmethod
    def _bounded_waiting(cls, receive_max: int, others: ValidationInfo) -> int:
        if others.data.get("acknowledge") == "stored" and receive_max > RECEIVE_STORED_MAX:
            raise ValueError(f"at most {RECEIVE_STORED_MAX} with LIVETWIN_ACKNOWLEDGE=stored")
        return receive_max
