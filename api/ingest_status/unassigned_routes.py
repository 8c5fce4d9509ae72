"""Devices that send and are not known: what they sent, and how they become sensors."""

from __future__ import annotations

import asyncio
import base64
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import ApiContext, context_of
from api.http.access import Role, require_role, role_of
from api.http.bodies import read_json_object
from api.http.parameters import NoParameters
from api.http.problems import ProblemError, RequestFault, bad_request
from api.http.responses import collection_document, json_response
from api.ingest_status import examples
from api.ingest_status.schemas import UnassignedParameters
from api.ingest_status.sensor_template import sensor_yaml
from cities.extension import with_sensor
from cities.files.faults import CityError
from storage.model.model_store import ModelConflictError, apply_plan
from storage.stores.unassigned_devices import (
    UNASSIGNED_DEVICES_MAX,
    UnassignedDevice,
    read_unassigned_devices,
)
from twin.instant import format_instant
from twin.model.role import role_includes

router = APIRouter(prefix="/v1", tags=["quarantine"])


@router.get(
    "/unassigned-devices",
    summary="Devices that no sensor is assigned to",
    responses=examples.UNASSIGNED,
)
async def list_unassigned(request: Request, wanted: Annotated[UnassignedParameters, Query()]) -> Response:
    """List devices that send and are not known, the one that was heard last first, and how to assign them.

    Whose they are nobody knows yet: their payloads are for operators.
    """
    role = role_of(request)
    context = context_of(request)
    async with context.database.connection() as connection:
        found = await read_unassigned_devices(connection, UNASSIGNED_DEVICES_MAX)
    found = [one for one in found if wanted.feed is None or one.feed == wanted.feed]
    items = [_device(one, context, role) for one in found[: wanted.limit]]
    return json_response(collection_document(request, items, None))


@router.post(
    "/unassigned-devices/_assign",
    summary="Make a device a sensor",
    status_code=HTTPStatus.CREATED,
    responses=examples.ASSIGNED,
    openapi_extra=examples.ASSIGN_BODY,
)
async def assign(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """Add a sensor to the city, as an item of sensors.yaml would; what its device sent is then taken in.

    A city folder that is applied later without this sensor retires it: put it there too.
    """
    require_role(request, "admin")
    context = context_of(request)
    model = context.model
    item = await read_json_object(request, "like an item of sensors.yaml")
    try:
        plan = await asyncio.to_thread(with_sensor, model, item)
    except CityError as error:
        raise bad_request(
            *(RequestFault("body", one.subject, "invalid", one.message) for one in error.faults)
        ) from None
    async with context.database.connection() as connection:
        try:
            applied = await apply_plan(connection, plan, based_on=model.version)
        except ModelConflictError as error:
            raise ProblemError(
                HTTPStatus.CONFLICT, f"Somebody else changed the city: {error}. Try again."
            ) from None
    response = json_response(
        {
            "sensorId": item["id"],
            "modelVersion": applied.version,
            "_links": {"quarantine": {"href": "/v1/quarantine?resolved=false"}},
        }
    )
    response.status_code = HTTPStatus.CREATED
    return response


def _device(one: UnassignedDevice, context: ApiContext, role: Role) -> dict[str, Any]:
    hidden = not role_includes(role, "operator")
    return {
        "feed": one.feed,
        "device": one.device,
        "count": one.count,
        "firstReceivedTime": format_instant(one.first_received),
        "lastReceivedTime": format_instant(one.last_received),
        "messages": [
            {
                "topic": sent.topic,
                "receivedTime": format_instant(sent.received_time),
                "payload": None if hidden else base64.b64encode(sent.payload).decode(),
            }
            for sent in one.newest
        ],
        "assign": {
            "how": "Put this into sensors.yaml of the city folder with what is in angle brackets filled in, "
            "and run `livetwin apply`, or POST it as JSON to /v1/unassigned-devices/_assign: what the device "
            "sent is then taken in, too.",
            "sensorsYaml": sensor_yaml(one, context.model),
        },
    }
