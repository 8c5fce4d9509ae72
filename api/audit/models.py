"""Models of the audit log."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.http.models import Model, Time


class AuditRecordModel(Model, frozen=True, kw_only=True):
    """A change, or a reading of personal data, of one request."""

    id: Annotated[int, Meta(description="Rises with each record.")]
    time: Time
    principal: Annotated[str, Meta(description="Name of the API key or of the subject of the access token.")]
    role: str
    operation: Annotated[str, Meta(description="`operationId` in /v1/openapi.json.")]
    target: Annotated[str, Meta(description="Path and query of the request.")]
    status: Annotated[int, Meta(description="Status of the answer.")]
    households: Annotated[
        list[str], Meta(description="Ids of the entities whose personal data was in the answer.")
    ]
    contacts: Annotated[
        list[str], Meta(description="Ids of the contacts whose addresses were in the answer.")
    ]
    trace_id: Annotated[str, Meta(description="Trace of the request, 32 hex digits (W3C Trace Context).")]
    sent_time: Annotated[
        Time | None,
        Meta(description="When the collector of processing logs had it; null: not yet, or not for it."),
    ]
