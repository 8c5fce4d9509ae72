"""The answers about maintenance windows, with examples."""

from __future__ import annotations

from http import HTTPStatus

from msgspec.structs import replace

from api.http.answers import Answer, Body, NoContent
from api.http.models import Link
from api.http.pages import Page, PageLinks
from api.maintenance.models import (
    MaintenanceWindowLinks,
    MaintenanceWindowModel,
    OccurrenceModel,
    RecurrenceModel,
)
from api.maintenance.schemas import PutMaintenanceWindowBody

_WINDOW = MaintenanceWindowModel(
    id="weekly-flushing",
    title="Weekly flushing",
    areas=["alkmaar.schermer"],
    start="2026-11-03T21:00:00Z",
    end="2026-11-04T05:00:00Z",
    recurrence=RecurrenceModel(rule="FREQ=WEEKLY;BYDAY=TU", exdates=["2026-12-01"]),
    active=False,
    occurrences=[OccurrenceModel(start="2026-11-24T21:00:00Z", end="2026-11-25T05:00:00Z")],
    version=3,
    origin="api",
    changed_time="2026-11-23T12:00:00Z",
    changed_by="control room",
    links=MaintenanceWindowLinks(self_=Link(href="/v1/maintenance-windows/weekly-flushing")),
)
_ETAG = {"ETag": "The version of the window, for `If-Match`."}

WINDOWS = Answer(
    model=Page[MaintenanceWindowModel],
    description="A page of maintenance windows.",
    example=Page(items=[_WINDOW], links=PageLinks(self_=Link(href="/v1/maintenance-windows"))),
)
WINDOW = Answer(model=MaintenanceWindowModel, description="The window.", example=_WINDOW, headers=_ETAG)
WINDOW_PUT = Answer(
    model=MaintenanceWindowModel,
    description="Changed or unchanged: the window in force.",
    example=_WINDOW,
    headers=_ETAG,
)
WINDOW_CREATED = Answer(
    model=MaintenanceWindowModel,
    description="Created.",
    example=replace(_WINDOW, version=1),
    status=HTTPStatus.CREATED,
    headers={**_ETAG, "Location": "The path of the window."},
)
PUT_BODY = Body(
    PutMaintenanceWindowBody,
    {
        "title": "Weekly flushing",
        "areas": ["alkmaar.schermer"],
        "start": "2026-11-03T21:00:00Z",
        "duration": "PT8H",
        "recurrence": {"rule": "FREQ=WEEKLY;BYDAY=TU", "exdates": ["2026-12-01"]},
    },
)
DELETED = NoContent("No longer in force; what it covered is judged again.")
