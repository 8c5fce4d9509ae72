"""Routes of the sensor register; active sensors are served from memory, without the database."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.access.authorization import rights_of
from api.context import ApiContext, context_of
from api.entities.answers import CONTENT_CRS
from api.http.answers import GEOJSON, answers
from api.http.negotiation import media_type_of
from api.http.pages import page_links_model, render_items, render_page
from api.http.parameters import NoQuery
from api.http.problems import not_found
from api.http.responses import decode_page_cursor, first_page
from api.sensors import answers as sensor_answers
from api.sensors.models import SensorFeatureCollection, SensorModel
from api.sensors.register import (
    RegisteredSensor,
    active_sensors,
    retired_sensors,
    select_sensors,
    sensor_feature,
    sensor_model,
)
from api.sensors.schemas import SensorParameters
from storage.stores.retired_sensors import read_retired_sensors

router = APIRouter(prefix="/v1", tags=["sensors"])

SensorId = Annotated[str, Path(max_length=150, description="Id of an entry of the register.")]


@router.get("/sensors", summary="List the sensor register")
@answers(sensor_answers.SENSORS, sensor_answers.SENSORS_GEOJSON)
async def list_sensors(request: Request, parameters: Annotated[SensorParameters, Query()]) -> Response:
    """List sensors by id: whose they are, why, what they observe and what not; GeoJSON for
    `Accept: application/geo+json`.

    Meters of households are one entry for each area. Retired sensors are those that the city has removed:
    they come from the database, at most 10,000.
    """
    context, rights = context_of(request), rights_of(request)
    model = context.model
    after = decode_page_cursor(parameters.cursor, str) or ""
    entries = active_sensors(model, context.clock())
    if parameters.status == "retired":
        entries = sorted([*entries, *await _retired(context)], key=_id)
    selected = [each for each in select_sensors(entries, parameters, model) if each.id > after]
    page, following = first_page(selected, parameters.limit, _id)

    def rendered(each: RegisteredSensor) -> SensorModel:
        return sensor_model(each, model, rights)

    if media_type_of(request) != GEOJSON:
        return sensor_answers.SENSORS.response(
            render_page(request, page, rendered, _id, following), CONTENT_CRS
        )
    features, following = render_items(page, lambda each: sensor_feature(rendered(each)), _id, following)
    return sensor_answers.SENSORS_GEOJSON.response(
        SensorFeatureCollection(features=features, links=page_links_model(request, following)), CONTENT_CRS
    )


@router.get("/sensors/{id}", summary="Get an entry of the sensor register")
@answers(sensor_answers.SENSOR, sensor_answers.SENSOR_GEOJSON, problems=(HTTPStatus.NOT_FOUND,))
async def get_sensor(request: Request, id: SensorId, _: NoQuery) -> Response:
    """Return a sensor, also one that was removed; as a GeoJSON feature for `Accept: application/geo+json`."""
    context = context_of(request)
    model = context.model
    found = next((each for each in active_sensors(model, context.clock()) if each.id == id), None)
    if found is None:
        found = next(iter(await _retired(context, id)), None)
    if found is None:
        # The meter of a household is answered as one that is not there.
        raise not_found(f"The register has no sensor {id!r}; /v1/sensors lists them.")
    sensor = sensor_model(found, model, rights_of(request))
    if media_type_of(request) == GEOJSON:
        return sensor_answers.SENSOR_GEOJSON.response(sensor_feature(sensor), CONTENT_CRS)
    return sensor_answers.SENSOR.response(sensor, CONTENT_CRS)


async def _retired(context: ApiContext, id: str | None = None) -> list[RegisteredSensor]:
    async with context.database.connection() as connection:
        return retired_sensors(await read_retired_sensors(connection, id), context.model)


def _id(each: RegisteredSensor) -> str:
    return each.id
