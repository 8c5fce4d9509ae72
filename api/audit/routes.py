"""Route of the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.audit import answers as audit_answers
from api.audit.models import AuditRecordModel
from api.audit.schemas import AuditParameters
from api.context import context_of
from api.http.answers import answers
from api.http.pages import render_page
from api.http.parameters import parse_time
from api.http.responses import decode_page_cursor, format_optional_instant, next_cursor
from storage.stores.audit_log import AuditPosition, StoredAuditEntry, read_audit_entries
from twin.instant import format_instant

router = APIRouter(prefix="/v1", tags=["audit"])


@router.get("/audit-records", summary="List the audit log")
@answers(audit_answers.AUDIT_RECORDS, role="admin")
async def list_audit_records(request: Request, parameters: Annotated[AuditParameters, Query()]) -> Response:
    """List changes through the API and readings of personal data, the newest first.

    Who changed the city with `livetwin apply` is in the versions of the model.
    """
    before = decode_page_cursor(parameters.cursor, AuditPosition)
    async with context_of(request).database.connection() as connection:
        page = await read_audit_entries(
            connection,
            before=before,
            limit=parameters.limit,
            start=parse_time(parameters.start) if parameters.start is not None else None,
            end=parse_time(parameters.end) if parameters.end is not None else None,
            principals=parameters.principal,
            operations=parameters.operation,
            households=parameters.household,
        )
    following = next_cursor(page, parameters.limit, _place)
    return audit_answers.AUDIT_RECORDS.response(render_page(request, page, _record, _place, following))


def _place(stored: StoredAuditEntry) -> AuditPosition:
    return AuditPosition(stored.entry.time, stored.id)


def _record(stored: StoredAuditEntry) -> AuditRecordModel:
    entry = stored.entry
    return AuditRecordModel(
        id=stored.id,
        time=format_instant(entry.time),
        principal=entry.principal,
        role=entry.role,
        operation=entry.operation,
        target=entry.target,
        status=entry.status,
        households=list(entry.households),
        contacts=list(entry.contacts),
        trace_id=entry.trace_id.hex(),
        sent_time=format_optional_instant(stored.sent),
    )
