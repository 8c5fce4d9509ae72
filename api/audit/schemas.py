"""Query parameters of the audit log."""

from __future__ import annotations

from pydantic import Field

from api.http.parameters import Names, PageParameters, TimeText


class AuditParameters(PageParameters):
    """Which records, the newest first."""

    start: TimeText | None = Field(default=None, description="Inclusive.")
    end: TimeText | None = Field(default=None, description="Exclusive.")
    principal: Names = Field(default=[], description="Names of API keys or of subjects, any of them.")
    operation: Names = Field(default=[], description="Operations (`operationId`), any of them.")
    household: Names = Field(
        default=[], description="Ids of entities whose personal data was read, any of them."
    )
