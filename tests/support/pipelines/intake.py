"""An intake for the small city, and messages for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ingest.decoders import registry
from ingest.mqtt.message import MqttMessage
from ingest.pipeline.intake import Intake, IntakeOptions
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.routes import TopicRoutes
from tests.support.cities.small_cities import small_city
from twin.instant import Instant, parse_instant
from twin.model.city_model import CityModel
from twin.quality.plausibility import PlausibilityBounds

NOON = parse_instant("2026-11-23T12:00:00Z")
NOISE_TOPIC = "livetwin/town/noise-1/observations"
SESSION = "run-1"


def make_intake(model: CityModel | None = None, **options: Any) -> Intake:
    """Return an intake for a model, by default that of the small city."""
    model = model or small_city()
    bounds = IntakeOptions(
        payload_bytes_max=4_096, quarantine_bytes_max=4_096, plausibility=PlausibilityBounds()
    )
    return Intake(
        routes=TopicRoutes(registry(), model.feeds),
        devices=DeviceMap(model, registry(), 4),
        timezone=model.city.timezone,
        options=replace(bounds, **options),
        pseudonymise=Pseudonymiser(b"a key of enough bytes"),
        session=SESSION,
    )


def make_message(payload: bytes, topic: str = NOISE_TOPIC, received: Instant = NOON) -> MqttMessage:
    """Return a message as the MQTT session yields it."""
    return MqttMessage(topic, payload, received, 1, 1, 1)


def noise_payload(value: object, time: str = "2026-11-23T11:59:58Z") -> bytes:
    """Return native JSON of one noise level."""
    shown = f'"{value}"' if isinstance(value, str) else value
    return f'{{"time":"{time}","values":{{"noise_level":{shown}}}}}'.encode()
