"""A city of streets with one microphone each: as many datastreams as sensors and entities."""

from __future__ import annotations

import json

from tests.support.cities.city_builder import CityBuilder
from twin.instant import SECOND, Instant, format_instant
from twin.model.city_model import CityPlan


def noise_city(streets: int, city: str = "town") -> CityPlan:
    """Return the plan of a city with this number of streets, which spread over all partitions."""
    builder = CityBuilder(city)
    for number in range(streets):
        street = f"{city}.street-{number}"
        builder.entity(street, "Road").sensor(microphone_of(street), street, "noise_level", interval=SECOND)
    return builder.plan()


def microphone_of(street: str) -> str:
    """Return the id of a street's microphone."""
    return street.replace(".street-", "-noise-")


def noise_message(street: str, time: Instant, level: float) -> tuple[str, bytes]:
    """Return topic and payload of one observation, native JSON."""
    city = street.split(".", maxsplit=1)[0]
    payload = {"time": format_instant(time), "values": {"noise_level": level}}
    return f"livetwin/{city}/{microphone_of(street)}/observations", json.dumps(payload).encode()
