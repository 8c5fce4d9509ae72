"""Settings of the alerting role."""

from __future__ import annotations

from pydantic import Field, SecretStr

from runtime.mqtt.access import MqttSettings


class AlertingSettings(MqttSettings):
    """Environment variables `LIVETWIN_*` of `livetwin alerting`."""

    base_url: str = Field(
        default="http://localhost:8080",
        description="Where people reach the page and the API: links begin so.",
    )
    link_key: SecretStr = Field(
        default=SecretStr("livetwin-development-key"),
        description="Secret by which links that acknowledge are signed; the api needs the same.",
    )
    link_hours: int = Field(default=72, ge=1, le=720, description="Hours that such a link is good.")
    watchdog_interval_s: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds between two probes of the watchdog."
    )
    watchdog_patience_s: float = Field(
        default=180.0,
        gt=0,
        le=86_400,
        description="Seconds without a probe on some partition after which the way is taken for closed.",
    )
    heartbeat_url: SecretStr | None = Field(
        default=None,
        description="URL that is asked for (GET) while the way is open: a dead-man's switch outside that "
        "raises an alarm when it is not asked for; none by default.",
    )
    heartbeat_interval_s: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds between two heartbeats."
    )
    try_timeout_s: float = Field(
        default=20.0, gt=0, le=300, description="Seconds after which a try to send a message is given up."
    )
