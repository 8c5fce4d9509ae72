"""The settings of the simulate role and of `livetwin replay`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from runtime.mqtt.access import MqttSettings
from simulators.scenarios import SCENARIOS
from twin.instant import HOUR, Duration, Instant, parse_instant

ACCELERATED_START_AGO: Duration = 30 * HOUR
"""How long before now an accelerated city starts by default."""


class SimulatorSettings(MqttSettings):
    """Environment variables `LIVETWIN_*` of `livetwin simulate`."""

    mqtt_keepalive_s: int = Field(default=60, ge=5, le=3600, description="MQTT keep-alive, seconds.")
    seed: int = Field(default=1, description="Seed of the city: the same seed gives the same values.")
    speed: float = Field(
        default=1.0,
        ge=1.0,
        le=3600.0,
        description="Seconds of city time per second, until the city reaches the present.",
    )
    start: str | None = Field(
        default=None,
        description="Start of the city's clock, ISO 8601 with offset; by default now, or 30 hours ago if the "
        "speed is above 1.",
    )
    connections: int = Field(default=4, ge=1, le=64, description="MQTT connections that all devices share.")
    in_flight_max: int = Field(
        default=200,
        ge=1,
        le=20_000,
        description="Unacknowledged messages of one connection; the city waits when there are more.",
    )
    rate_max: float = Field(default=5_000.0, gt=0, description="Messages per second, at most.")
    scenario: str | None = Field(
        default=None, description="Scenario of the city; `livetwin simulate --help` lists the scenarios."
    )
    faults: Path | None = Field(
        default=None, description="File with faults of devices (YAML or JSON): docs/how-to/simulators.md."
    )
    fault_seed: int | None = Field(
        default=None, description="Seed of random faults for about half of the devices; none by default."
    )
    journal: Path | None = Field(
        default=None,
        description="File for totals of the sent messages, written at the end; none by default.",
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
        """Return the start of the city's clock; never later than now."""
        if self.start is not None:
            return min(now, parse_instant(self.start))
        return now if self.speed <= 1.0 else now - ACCELERATED_START_AGO
