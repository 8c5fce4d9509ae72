"""The answers of the sensor register, with examples."""

from __future__ import annotations

from api.entities.answers import CRS_HEADER
from api.http.answers import GEOJSON, Answer
from api.http.pages import Page
from api.sensors.models import SensorFeature, SensorFeatureCollection, SensorModel

SENSORS = Answer(model=Page[SensorModel], description="A page of the register.", headers=CRS_HEADER)
SENSORS_GEOJSON = Answer(
    model=SensorFeatureCollection, description="The same as GeoJSON.", media_type=GEOJSON, headers=CRS_HEADER
)
# Without examples, as those of entities: see `Answer.example`.
SENSOR = Answer(model=SensorModel, description="The entry.", headers=CRS_HEADER)
SENSOR_GEOJSON = Answer(
    model=SensorFeature, description="The same as GeoJSON.", media_type=GEOJSON, headers=CRS_HEADER
)
