"""Settings of the simulators."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from runtime.mqtt.access import MqttSettings
from simulators.scenarios import SCENARIOS
from twin.instant import HOUR, Duration, Instant, parse_instant

ACCELERATED_START_AGO: Duration = 30 * HOUR
"""How long ago a city that is sped up starts when nobody says."""


class SimulatorSettings(MqttSettings):
    """Environment variables `LIVETWIN_*` of `livetwin simulate`."""

    mqtt_keepalive_s: int = Field(default=60, ge=5, le=3600, description="MQTT keep-alive, seconds.")
    seed: int = Field(default=1, description="Seed of the city: the same seed tells the same truth.")
    speed: float = Field(
        default=1.0,
        ge=1.0,
        le=3600.0,
        description="Seconds of city time in a second, until it reaches the present.",
    )
    start: str | None = Field(
        default=None,
        description="Time at which the city's clock starts, ISO 8601 with offset; "
        "by default now, or 30 hours ago when the speed is above 1.",
    )
    connections: int = Field(default=4, ge=1, le=64, description="MQTT connections that all devices share.")
    in_flight_max: int = Field(
        default=200,
        ge=1,
        le=20_000,
        description="Messages of one connection that are sent and not acknowledged; beyond, the city waits.",
    )
    rate_max: float = Field(default=5_000.0, gt=0, description="Messages per second, at most.")
    scenario: str | None = Field(
        default=None, description="What happens in the city; `livetwin simulate --help` lists them."
    )
    faults: Path | None = Field(
        default=None, description="File with the faults of devices (YAML or JSON): docs/how-to/simulators.md."
    )
    fault_seed: int | None = Field(
        default=None, description="Seed of faults for about half of the devices; none by default."
    )
    journal: Path | None = Field(
        default=None,
        description="File for the account of what was sent, written at the end; none by default.",
    )

    @field_validator("start")
    @classmethod
    def _is_instant(cls, start: str | None) -> str | None:
        if start is not None:
            parse_instant(start)
        return start

    @field_validator("scenario")
    @classmethod
    def _is_scenario(cls, scenario: str | None) -> str | None:
        if scenario is not None and scenario not in SCENARIOS:
            raise ValueError(f"expected one of {', '.join(SCENARIOS)}")
        return scenario

    def start_instant(self, now: Instant) -> Instant:
        """Return when the city's clock starts; never later than now."""
        if self.start is not None:
            return min(now, parse_instant(self.start))
        return now if self.speed <= 1.0 else now - ACCELERATED_START_AGO
