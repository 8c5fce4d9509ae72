"""Settings of the outlets role."""

from __future__ import annotations

from pydantic import Field

from runtime.mqtt.access import MqttSettings
from runtime.sink_address import SinkNetworks


class OutletSettings(MqttSettings):
    """Environment variables `LIVETWIN_*` of `livetwin outlets`."""

    mqtt_keepalive_s: int = Field(default=60, ge=5, le=3600, description="MQTT keep-alive, seconds.")
    outlet_period_s: float = Field(
        default=1.0,
        ge=0.05,
        le=3600,
        description="Least time between two states of one entity on MQTT, seconds; the newest is sent.",
    )
    # A state is about a kilobyte and takes some tenths of a millisecond to write and send.
    outlet_messages_per_s_max: int = Field(
        default=200, ge=1, description="Messages sent to the MQTT broker each second, at most."
    )
    sink_networks: SinkNetworks = ""
    webhook_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="Time that a receiver has to answer, seconds."
    )
    webhook_retry_first_s: float = Field(
        default=1.0,
        gt=0,
        le=3600,
        description="Pause after the first failure, seconds; it doubles each time.",
    )
    webhook_retry_max_s: float = Field(
        default=3_600.0, gt=0, description="Longest pause between two tries, seconds."
    )
    webhook_tries_max: int = Field(
        default=30, ge=1, description="Tries after which a message becomes a dead letter."
    )
    webhook_age_max_s: float = Field(
        default=86_400.0, gt=0, description="Time after which a message becomes a dead letter, seconds."
    )
