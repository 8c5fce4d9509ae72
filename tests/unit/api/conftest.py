"""A small city, and an api without services around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from math import nan
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from api.app import create_app, create_context
from api.context import ApiContext
from api.live.hub import Hub
from api.live.live_view import ViewSeed
from api.metrics import ApiMetrics
from api.settings import ApiSettings
from tests.support.cities.city_builder import CityBuilder
from tests.support.http.documented_client import documented_client
from twin.instant import MINUTE, Instant
from twin.model.city_model import CityModel
from twin.model.entity import Relation
from twin.model.observation import Observation
from twin.wire.messages import Update, UpdateKind

REPLY_KEY = "the key of the provider of replies"
NOW: Instant = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z


class FixedClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Instant:
        return self.now


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


def make_model(version: int = 1, interval: int = 10 * MINUTE) -> CityModel:
    builder = CityBuilder("city", "City")
    for id, type, longitude, latitude in (
        ("city", "Municipality", 4.75, 52.63),
        ("city.east", "District", 4.77, 52.63),
        ("city.east.hill", "Neighbourhood", 4.78, 52.63),
        ("city.west", "District", 4.72, 52.63),
        ("city.canal", "Waterway", 4.74, 52.64),
        ("city.house", "TransformerArea", 4.71, 52.62),
    ):
        builder.entity(
            id,
            type,
            id.rpartition(".")[2].title(),
            parent="city.west" if id == "city.house" else None,
            geometry={"type": "Point", "coordinates": [longitude, latitude]},
            relations=(Relation("drainsTo", "city.canal"),) if type == "Neighbourhood" else (),
        )
    return (
        builder.sensor("aq-1", "city.east.hill", "pm2_5", "no2", feed="ttn", interval=interval)
        .sensor("aq-2", "city.east.hill", "pm2_5", feed="ttn", interval=interval)
        .sensor("level-1", "city.canal", "water_level", feed="senml", interval=interval)
        .sensor("meter-1", "city.house", "power_import", feed="dsmr", interval=interval, personal=True)
        .model(version)
    )


@pytest.fixture
def model() -> CityModel:
    return make_model()


@pytest.fixture
def slower_model() -> CityModel:
    """The same city with sensors that report every hour."""
    return make_model(version=2, interval=60 * MINUTE)


UpdateMaker = Callable[..., Update]


@pytest.fixture
def make_update(model: CityModel) -> UpdateMaker:
    def make(
        datastream: int, revision: int, value: float = 1.0, measured: Instant = NOW, flags: int = 0
    ) -> Update:
        resolved = model.datastreams[datastream]
        observation = Observation(datastream, measured, measured, value, flags)
        return Update(
            resolved.entity,
            resolved.property,
            revision,
            value,
            measured,
            measured,
            flags,
            (datastream,),
            observation,
        )

    return make


@pytest.fixture
def make_derived() -> UpdateMaker:
    def make(
        entity: str, name: str, revision: int, value: float = 1.0, datastreams: tuple[int, ...] = ()
    ) -> Update:
        return Update(
            entity, name, revision, value, NOW, NOW, 0, datastreams, None, UpdateKind.INDICATOR, count=12
        )

    return make


@pytest.fixture
def hub(model: CityModel, clock: FixedClock) -> Hub:
    """A hub that follows the log `log-1` from its beginning; two partitions, a buffer of eight events."""
    made = Hub(model, clock, ApiMetrics(CollectorRegistry()), partitions=2, ring_events_max=8)
    made.reset("log-1", ViewSeed(), [0] * 4)
    return made


@pytest.fixture
def parts(model: CityModel, clock: Any, make_update: Any, make_derived: Any, tmp_path: Path) -> ApiContext:
    settings = ApiSettings(
        city="city",
        partitions=2,
        kafka="127.0.0.1:9",
        database="postgresql://nobody@127.0.0.1:9/none",
        operator_key="sesame",
        link_key="links",
        reply_key=REPLY_KEY,
        static_dir=tmp_path,
        tiles="https://tiles.example/{z}/{x}/{y}.png",
    )
    made = create_context(settings, model, clock, CollectorRegistry())
    made.hub.reset("log-1", ViewSeed(), [0] * 4)
    made.hub.on_updates(0, 0, [make_update(1, 1, 11.2), make_update(2, 2, 31.0)])
    personal = structs.replace(make_update(5, 1, 0.4), value=nan, kind=UpdateKind.PERSONAL)
    published = make_derived("city.house", "power_import", 2, 41.5, (5,))
    made.hub.on_updates(1, 0, [personal, published])
    return made


@pytest.fixture
async def client(parts: ApiContext) -> AsyncIterator[httpx.AsyncClient]:
    """A client that fails on an answer which the OpenAPI document does not describe."""
    transport = httpx.ASGITransport(create_app(parts))
    async with documented_client(transport=transport, base_url="http://city.example") as client:
        await parts.database.open()
        yield client
        await parts.database.close()
