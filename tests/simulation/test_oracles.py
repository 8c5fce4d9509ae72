"""The slow computations that runs are compared with."""

from __future__ import annotations

from tests.simulation.oracles.neighbour_oracle import disagreeing_values
from tests.support.cities.city_builder import CityBuilder
from twin.instant import MINUTE, Instant
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag


def test_a_value_counts_in_the_slot_in_which_another_sensor_of_its_entity_fails() -> None:
    builder = CityBuilder().entity("town", "Municipality")
    for post in ("town.a", "town.b", "town.c"):
        builder = builder.entity(post, "WeatherStation", parent="town")
    model = (
        builder.sensor("good", "town.a", "air_temperature", interval=5 * MINUTE)
        .sensor("suspect", "town.a", "air_temperature", interval=3 * MINUTE)
        .sensor("far", "town.b", "air_temperature", interval=5 * MINUTE)
        .sensor("near", "town.c", "air_temperature", interval=5 * MINUTE)
        .model()
    )
    ids = {one.sensor: one.id for one in model.datastreams.values()}

    def observed(sensor: str, time: Instant, value: float, flags: int = 0) -> list[Observation]:
        return [Observation(ids[sensor], time, time, value, flags)]

    judged = {
        ids["good"]: observed("good", 9 * MINUTE, 9.7),
        ids["suspect"]: observed("suspect", 21 * MINUTE, 0.0, int(QualityFlag.STUCK)),
        ids["far"]: observed("far", 21 * MINUTE, 30.0),
        ids["near"]: observed("near", 21 * MINUTE, 7.9),
    }
    assert disagreeing_values(judged, model) == {("town.b", "air_temperature")}
