"""Routes of unknown devices that send: their messages, and their assignment to sensors."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from msgspec import UNSET
from starlette.responses import Response

from api.access.authorization import rights_of
from api.context import ApiContext, context_of
from api.http.answers import answers
from api.http.bodies import read_json_object
from api.http.models import Link
from api.http.pages import Page, page_links_model
from api.http.parameters import NoQuery
from api.http.problems import ProblemError, RequestFault, bad_request
from api.ingest_status import answers as status_answers
from api.ingest_status.models import (
    AssignedSensor,
    PayloadLinks,
    SensorTemplate,
    UnassignedDeviceModel,
    UnassignedMessageModel,
)
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
from twin.model.role import Role, role_includes

router = APIRouter(prefix="/v1", tags=["quarantine"])


@router.get("/unassigned-devices", summary="List devices without a sensor")
@answers(status_answers.UNASSIGNED)
async def list_unassigned_devices(
    request: Request, parameters: Annotated[UnassignedParameters, Query()]
) -> Response:
    """List unknown devices that send, the most recently received first, and how to assign them.

    Their owners are unknown, so what they send is for operators: names, topics and fields are else null.
    """
    rights = rights_of(request)
    context = context_of(request)
    async with context.database.connection() as connection:
        devices = await read_unassigned_devices(connection, UNASSIGNED_DEVICES_MAX)
    devices = [device for device in devices if parameters.feed is None or device.feed == parameters.feed]
    items = [_device(device, context, rights.role) for device in devices[: parameters.limit]]
    return status_answers.UNASSIGNED.response(Page(items=items, links=page_links_model(request, None)))


@router.post("/unassigned-devices/_assign", summary="Assign a device to a sensor")
@answers(
    status_answers.ASSIGNED, problems=(HTTPStatus.CONFLICT,), role="admin", body=status_answers.ASSIGN_BODY
)
async def assign_device(request: Request, _: NoQuery) -> Response:
    """Add a sensor to the city, in the format of sensors.yaml; the messages of its device are then processed.

    Add it to the city folder as well: applying a folder without the sensor retires it.
    """
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
    return status_answers.ASSIGNED.response(
        AssignedSensor(sensor_id=item["id"], model_version=applied.version, links=status_answers.UNRESOLVED)
    )


def _device(device: UnassignedDevice, context: ApiContext, role: Role) -> UnassignedDeviceModel:
    shown = role_includes(role, "operator")
    return UnassignedDeviceModel(
        feed=device.feed,
        device=device.device if shown else None,
        count=device.count,
        first_received_time=format_instant(device.first_received),
        last_received_time=format_instant(device.last_received),
        messages=[
            UnassignedMessageModel(
                topic=message.topic if shown else None,
                received_time=format_instant(message.received_time),
                payload_bytes=message.payload_bytes,
                links=PayloadLinks(payload=Link(href=payload_path(message.id)) if shown else UNSET),
            )
            for message in device.newest
        ],
        assign=_template(device, context) if shown else None,
    )


def _template(device: UnassignedDevice, context: ApiContext) -> SensorTemplate:
    return SensorTemplate(
        how="Fill in the values in angle brackets, add the item to sensors.yaml of the city folder "
        "and run `livetwin apply`, or POST it as JSON to /v1/unassigned-devices/_assign: the messages "
        "that the device has sent are then processed, too.",
        sensors_yaml=sensor_yaml(device, context.model),
    )
