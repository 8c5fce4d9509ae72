"""Routes of unknown devices that send: their messages, and their assignment to sensors."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import ApiContext, context_of
from api.http.access import Role, require_role, role_of
from api.http.bodies import read_json_object
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, RequestFault, bad_request
from api.http.responses import Document, collection_document, json_response
from api.ingest_status import examples
from api.ingest_status.quarantine_routes import payload_path
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
    summary="List devices without a sensor",
    responses=examples.UNASSIGNED,
)
async def list_unassigned_devices(
    request: Request, parameters: Annotated[UnassignedParameters, Query()]
) -> Response:
    """List unknown devices that send, the most recently received first, and how to assign them.

    Their owners are unknown, so what they send is for operators: names, topics and fields are else null.
    """
    role = role_of(request)
    context = context_of(request)
    async with context.database.connection() as connection:
        devices = await read_unassigned_devices(connection, UNASSIGNED_DEVICES_MAX)
    devices = [device for device in devices if parameters.feed is None or device.feed == parameters.feed]
    items = [_device(device, context, role) for device in devices[: parameters.limit]]
    return json_response(collection_document(request, items))


@router.post(
    "/unassigned-devices/_assign",
    summary="Assign a device to a sensor",
    status_code=HTTPStatus.CREATED,
    responses=examples.ASSIGNED,
    openapi_extra=examples.ASSIGN_BODY,
)
async def assign_device(request: Request, _: NoQuery) -> Response:
    """Add a sensor to the city, in the format of sensors.yaml; the messages of its device are then processed.

    Add it to the city folder as well: applying a folder without the sensor retires it.
    """
    require_role(request, "admin")
    context = context_of(request)
    model = context.model
    item = await read_json_object(request, "like an item of sensors.yaml")
    try:
        plan = await asyncio.to_thread(with_sensor, model, item)
    except CityError as error:
        raise bad_request(
            *(RequestFault("body", fault.subject, "invalid", fault.message) for fault in error.faults)
        ) from None
    async with context.database.connection() as connection:
        try:
            applied = await apply_plan(connection, plan, based_on=model.version)
        except ModelConflictError as error:
            raise ProblemError(
                HTTPStatus.CONFLICT, f"Another client changed the city: {error}. Try again."
            ) from None
    return json_response(
        {
            "sensorId": item["id"],
            "modelVersion": applied.version,
            "_links": {"quarantine": {"href": "/v1/quarantine?resolved=false"}},
        },
        status=HTTPStatus.CREATED,
    )


def _device(device: UnassignedDevice, context: ApiContext, role: Role) -> Document:
    hidden = not role_includes(role, "operator")
    return {
        "feed": device.feed,
        "device": None if hidden else device.device,
        "count": device.count,
        "firstReceivedTime": format_instant(device.first_received),
        "lastReceivedTime": format_instant(device.last_received),
        "messages": [
            {
                "topic": None if hidden else message.topic,
                "receivedTime": format_instant(message.received_time),
                "payloadBytes": message.payload_bytes,
                "_links": {} if hidden else {"payload": {"href": payload_path(message.id)}},
            }
            for message in device.newest
        ],
        "assign": None
        if hidden
        else {
            "how": "Fill in the values in angle brackets, add the item to sensors.yaml of the city folder "
            "and run `livetwin apply`, or POST it as JSON to /v1/unassigned-devices/_assign: the messages "
            "that the device has sent are then processed, too.",
            "sensorsYaml": sensor_yaml(device, context.model),
        },
    }
