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
        description="Shortest time between two MQTT messages about one entity, seconds; the newest is sent.",
    )
    # A state has about a kilobyte; encoding and sending it takes some tenths of a millisecond.
    outlet_messages_per_s_max: int = Field(
        default=200, ge=1, description="Messages published to the MQTT broker per second, at most."
    )
    sink_networks: SinkNetworks = ""
    webhook_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="Time within which a receiver must answer, seconds."
    )
    webhook_retry_first_s: float = Field(
        default=1.0,
        gt=0,
        le=3600,
        description="Delay after the first failure, seconds; it doubles after each further failure.",
    )
    webhook_retry_max_s: float = Field(
        default=3_600.0, gt=0, description="Longest delay between two attempts, seconds."
    )
    webhook_tries_max: int = Field(
        default=30, ge=1, description="Attempts after which a message becomes a dead letter."
    )
    webhook_batch_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="How long an event waits for others of its batch, seconds; alarms and gaps do not wait.",
    )
    # A hundred requests a second: more than one receiver answers, one request after the other.
    webhook_rate_max: int = Field(
        default=6_000,
        ge=1,
        description="Requests a minute that the handshake asks a receiver for; it gets no more, even if it "
        "allows any.",
    )
    webhook_age_max_s: float = Field(
        default=86_400.0, gt=0, description="Time after which a message becomes a dead letter, seconds."
    )
    base_url: str = Field(
        default="http://localhost:8080",
        pattern=r"^https?://[^\s<>&\"]+$",
        description="URL of the page and the API, as in the api; its host name is the origin that the "
        "handshake of webhooks names.",
    )
    event_source: str = Field(
        default="",
        pattern=r"^(urn:nld:[A-Za-z0-9()+,.:=@;$_!*'%-]{1,200})?$",
        description="`source` of CloudEvents, a URN such as "
        "`urn:nld:oin:00000001234567890000:systeem:livetwin` with the organisation's OIN; "
        "`urn:nld:CITY-twin:systeem:livetwin` by default.",
    )
    event_type_prefix: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+)?$",
        max_length=200,
        description="Begin of the `type` of CloudEvents: the name of the data source in reverse-DNS "
        "notation; `nl.CITY-twin` by default.",
    )
    standby: bool = Field(
        default=False,
        description="Whether other outlets of this city may run on another host: one works, the other takes "
        "over. The same for both.",
    )
