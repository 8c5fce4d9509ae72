"""The answers about the audit log, with examples."""

from __future__ import annotations

from api.audit.models import AuditRecordModel
from api.http.answers import Answer
from api.http.models import Link
from api.http.pages import Page, PageLinks

AUDIT_RECORDS = Answer(
    model=Page[AuditRecordModel],
    description="A page of records.",
    example=Page(
        items=[
            AuditRecordModel(
                id=1812,
                time="2026-11-23T12:00:00Z",
                principal="energy desk",
                role="metering",
                operation="listObservations",
                target="/v1/datastreams/17/observations",
                status=200,
                households=["alkmaar.house-12"],
                contacts=[],
                trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
                sent_time="2026-11-23T12:00:02Z",
            )
        ],
        links=PageLinks(
            self_=Link(href="/v1/audit-records"), next=Link(href="/v1/audit-records?cursor=r2Fsa21hYXI")
        ),
    ),
)
