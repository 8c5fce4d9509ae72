"""Query parameters of dossiers."""

from __future__ import annotations

from pydantic import Field

from api.http.parameters import Parameters, TimeText


class DossierParameters(Parameters):
    """Which dossier of an alarm."""

    at: TimeText | None = Field(
        default=None,
        description="As it was known then, 30 s ago by default; the same instant gives the same bytes.",
    )
    occurrence: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="Number of the occurrence; the last by default."
    )
