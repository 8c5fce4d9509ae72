"""Routes of maintenance windows: read by every role, changed by operators of all that a window covers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from api.access.authorization import actor_of, rights_of
from api.context import ApiContext, context_of
from api.http.answers import answers
from api.http.bodies import read_json_object
from api.http.pages import render_page
from api.http.parameters import NoQuery, parse_time
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import decode_page_cursor, first_page
from api.maintenance import answers as window_answers
from api.maintenance.documents import (
    Viewing,
    concerns,
    is_active,
    requested_document,
    require_operator_of,
    window_context,
    window_model,
    window_path,
    with_hidden_sensors,
)
from api.maintenance.models import MaintenanceWindowModel
from api.maintenance.schemas import (
    OCCURRENCES_SHOWN,
    MaintenanceWindowParameters,
    MaintenanceWindowsParameters,
)
from api.rules.documents import entity_tag, expected_version, rule_faults
from cities.model.maintenance_windows import read_window
from storage.model.content_version import WindowVersion
from storage.model.version_table import VersionConflictError
from storage.model.window_store import WINDOWS
from twin.model.maintenance_window import WINDOWS_MAX, MaintenanceWindow

router = APIRouter(prefix="/v1", tags=["maintenance"])

WindowId = Annotated[str, Path(max_length=128, description="Id of the maintenance window.")]
IfMatch = Annotated[str, Header(alias="If-Match", description="The ETag that the window must have.")]
IfNoneMatch = Annotated[
    str, Header(alias="If-None-Match", description="`*`: only if the window does not exist.")
]


@router.get("/maintenance-windows", summary="List the maintenance windows of the city")
@answers(window_answers.WINDOWS)
async def list_maintenance_windows(
    request: Request, parameters: Annotated[MaintenanceWindowsParameters, Query()]
) -> Response:
    """List the windows in force, by id, each with its present occurrence and the next ones.

    Times of maintenance of single sensors without an id, of maintenance.yaml, are not among them. Without the
    database the windows come from memory, without the names of their editors.
    """
    rights, context = rights_of(request), context_of(request)
    model, now = context.model, context.clock()
    windows, stored = await _windows_in_force(context)
    after = decode_page_cursor(parameters.cursor, str) or ""
    active_at = parse_time(parameters.active_at) if parameters.active_at is not None else None

    def is_selected(window: MaintenanceWindow) -> bool:
        if parameters.entity and not concerns(window, parameters.entity, model, rights):
            return False
        return active_at is None or is_active(window.period(model.city.timezone), active_at)

    def select() -> list[MaintenanceWindow]:
        return [window for id, window in sorted(windows.items()) if id > after and is_selected(window)]

    # The occurrences of a thousand recurring windows take seconds the first time.
    page, following = first_page(await asyncio.to_thread(select), parameters.limit, lambda window: window.id)

    viewing = Viewing(model, rights, now, parameters.occurrences)

    def render() -> list[MaintenanceWindowModel]:
        return [window_model(one, stored.get(one.id), viewing) for one in page]

    rendered = await asyncio.to_thread(render)
    return window_answers.WINDOWS.response(
        render_page(request, rendered, lambda one: one, lambda last: last.id, following)
    )


@router.get("/maintenance-windows/{id}", summary="Get a maintenance window")
@answers(window_answers.WINDOW, problems=(HTTPStatus.NOT_FOUND,))
async def get_maintenance_window(
    request: Request, id: WindowId, parameters: Annotated[MaintenanceWindowParameters, Query()]
) -> Response:
    """Return a window in force; its version is the ETag."""
    context = context_of(request)
    windows, stored = await _windows_in_force(context)
    if id not in windows:
        raise _unknown_window(id)
    return window_answers.WINDOW.response(
        *await _tagged(request, windows[id], stored.get(id), parameters.occurrences)
    )


@router.put("/maintenance-windows/{id}", summary="Create or change a maintenance window")
@answers(
    window_answers.WINDOW_PUT,
    window_answers.WINDOW_CREATED,
    problems=(HTTPStatus.PRECONDITION_FAILED,),
    role="operator",
    in_areas=True,
    body=window_answers.PUT_BODY,
)
async def put_maintenance_window(
    request: Request,
    id: WindowId,
    _: NoQuery,
    if_match: IfMatch = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Put a window into force, in the format of `windows` in maintenance.yaml; every role applies it in 2 s.

    What is stored of its times, and of those that it had, is judged again. An operator in areas may cover
    what lies in them. The version rises only when the content changes. The city folder replaces the window
    once the folder itself changes it.
    """
    context, rights = context_of(request), rights_of(request)
    model = context.model
    expected = expected_version(if_match, if_none_match)
    body = await read_json_object(request, "like one of `windows` in maintenance.yaml")
    document = requested_document(body, id)
    window = await asyncio.to_thread(read_window, document, window_context(model, rights))
    if not isinstance(window, MaintenanceWindow):
        raise bad_request(*rule_faults(window))
    require_operator_of(window, model, rights)
    if id in model.maintenance_windows:
        require_operator_of(model.maintenance_windows[id], model, rights)
    async with context.database.connection() as connection:
        versions = await WINDOWS.read(connection)
        before = versions.get(id)
        in_force = before.item if before is not None and not before.deleted else None
        if in_force is not None:
            require_operator_of(in_force, model, rights)
        elif sum(not one.deleted for one in versions.values()) >= WINDOWS_MAX:
            raise bad_request(
                RequestFault("body", "", "many", f"the city already has the limit of {WINDOWS_MAX} windows")
            )
        try:
            change = await WINDOWS.put(
                connection,
                model.city.id,
                with_hidden_sensors(window, in_force, model, rights),
                actor_of(request),
                # What was just checked is what is changed.
                expected if expected is not None else (in_force.version if in_force is not None else 0),
            )
        except VersionConflictError as error:
            raise _conflict(error) from None
        stored = (await WINDOWS.read(connection))[id]
    answer, headers = await _tagged(request, stored.item, stored, OCCURRENCES_SHOWN)
    if change.action in ("create", "revive"):
        return window_answers.WINDOW_CREATED.response(answer, {**headers, "Location": window_path(id)})
    return window_answers.WINDOW_PUT.response(answer, headers)


@router.delete("/maintenance-windows/{id}", summary="Delete a maintenance window")
@answers(
    window_answers.DELETED,
    problems=(HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED),
    role="operator",
    in_areas=True,
)
async def delete_maintenance_window(
    request: Request, id: WindowId, _: NoQuery, if_match: IfMatch = ""
) -> Response:
    """Put a window out of force; what it covered is judged again. To end it now, change its end instead."""
    context, rights = context_of(request), rights_of(request)
    expected = expected_version(if_match, "")
    if id in context.model.maintenance_windows:
        require_operator_of(context.model.maintenance_windows[id], context.model, rights)
    async with context.database.connection() as connection:
        before = (await WINDOWS.read(connection)).get(id)
        if before is None or before.deleted:
            raise _unknown_window(id)
        require_operator_of(before.item, context.model, rights)
        try:
            change = await WINDOWS.delete(
                connection,
                context.model.city.id,
                id,
                actor_of(request),
                expected if expected is not None else before.item.version,
            )
        except VersionConflictError as error:
            raise _conflict(error) from None
    if change is None:
        raise _unknown_window(id)
    return window_answers.DELETED.response()


async def _windows_in_force(
    context: ApiContext,
) -> tuple[Mapping[str, MaintenanceWindow], Mapping[str, WindowVersion]]:
    """Return the windows in force and their stored versions; without the database, those of the city model.

    The database comes first, so that a client reads back its own change at once.
    """
    try:
        async with context.database.connection() as connection:
            stored = await WINDOWS.read(connection)
    except ProblemError:
        return context.model.maintenance_windows, {}
    return {id: version.item for id, version in stored.items() if not version.deleted}, stored


async def _tagged(
    request: Request, window: MaintenanceWindow, stored: WindowVersion | None, count: int
) -> tuple[MaintenanceWindowModel, Mapping[str, str]]:
    """Return a window in force, and the header with its entity tag."""
    context = context_of(request)
    viewing = Viewing(context.model, rights_of(request), context.clock(), count)
    body = await asyncio.to_thread(window_model, window, stored, viewing)
    return body, {"ETag": entity_tag(window.version)}


def _unknown_window(id: str) -> ProblemError:
    return not_found(f"The city has no maintenance window {id!r}; /v1/maintenance-windows lists them.")


def _conflict(error: VersionConflictError) -> ProblemError:
    return ProblemError(
        HTTPStatus.PRECONDITION_FAILED, f"{error}. Read the window again before you change it."
    )
