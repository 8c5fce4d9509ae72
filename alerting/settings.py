"""Settings of the alerting role."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from runtime.mqtt.access import MqttSettings
from runtime.sink_address import SinkNetworks


class AlertingSettings(MqttSettings):
    """Environment variables `LIVETWIN_*` of `livetwin alerting`."""

    base_url: str = Field(
        default="http://localhost:8080",
        description="URL of the page and the API; the links in messages begin with it.",
    )
    link_key: SecretStr = Field(
        default=SecretStr("livetwin-development-key"),
        description="Secret that signs the links that acknowledge; the api needs the same.",
    )
    push_key: SecretStr | None = Field(
        default=None,
        description="Private key (P-256, PEM) with which messages are sent to browsers (web push), the same "
        "as in the api; without it none are.",
    )
    link_hours: int = Field(default=72, ge=1, le=720, description="Hours for which such a link is valid.")
    watchdog_interval_s: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds between two probes of the watchdog."
    )
    watchdog_patience_s: float = Field(
        default=180.0,
        gt=0,
        le=86_400,
        description="Seconds without a probe on a partition after which the path counts as closed.",
    )
    heartbeat_url: SecretStr | None = Field(
        default=None,
        description="URL that is requested (GET) while the path is open: an external dead-man's switch, "
        "which raises an alarm without requests; none by default.",
    )
    heartbeat_interval_s: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds between two heartbeats."
    )
    try_timeout_s: float = Field(
        default=20.0,
        gt=0,
        le=300,
        description="Seconds after which an attempt to send a message ends as doubtful.",
    )
    message_file: Path | None = Field(
        default=None,
        description="File, readable by its owner only, that gets messages to `livetwin://log` with the links "
        "that the log must not have; none by default.",
    )
    sink_networks: SinkNetworks = ""
    roster_interval_s: float = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="Seconds between two downloads of a roster that the duty plan names by URL.",
    )
    standby: bool = Field(
        default=False,
        description="Whether another alerting of this city may run on another host: one works, the other "
        "takes over. The same for both.",
    )
