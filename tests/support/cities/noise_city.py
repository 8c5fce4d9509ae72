"""A city of streets with one microphone each: one datastream a sensor and an entity."""

from __future__ import annotations

import json

from twin.instant import SECOND, Instant, format_instant
from twin.model.city_model import City, CityPlan
from twin.model.entity import Entity
from twin.model.sensor import Datastream, Sensor


def noise_city(streets: int, city: str = "town") -> CityPlan:
    """Return the plan of a city with so many streets; they spread over every partition."""
    names = [f"{city}.street-{number}" for number in range(streets)]
    return CityPlan(
        city=City(id=city, name="Town", timezone="Europe/Amsterdam"),
        entities=tuple(Entity(id=name, type="Road", name=name) for name in names),
        sensors=tuple(
            Sensor(
                id=microphone_of(name),
                feed="native",
                device=microphone_of(name),
                entity=name,
                interval=SECOND,
            )
            for name in names
        ),
        datastreams=tuple(
            Datastream(
                id=0,
                sensor=microphone_of(name),
                entity=name,
                property="noise_level",
                field="noise_level",
                unit="dB[A]",
                scale=1.0,
                offset=0.0,
                interval=SECOND,
            )
            for name in names
        ),
    )


def microphone_of(street: str) -> str:
    """Return the id of a street's microphone."""
    return street.replace(".street-", "-noise-")


def noise_message(street: str, time: Instant, level: float) -> tuple[str, bytes]:
    """Return topic and payload of one observation, native JSON."""
    city = street.split(".", maxsplit=1)[0]
    payload = {"time": format_instant(time), "values": {"noise_level": level}}
    return f"livetwin/{city}/{microphone_of(street)}/observations", json.dumps(payload).encode()
