"""Settings of the alerting role."""

from __future__ import annotations

from pydantic import Field, SecretStr

from runtime.settings import RoleSettings


class AlertingSettings(RoleSettings):
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
    try_timeout_s: float = Field(
        default=20.0, gt=0, le=300, description="Seconds after which a try to send a message has failed."
    )
