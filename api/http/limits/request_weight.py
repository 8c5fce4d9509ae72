"""The weight of a request, by its path: what reads much counts more than what is at hand."""

from __future__ import annotations

import re

LIGHT = 1
HEAVY = 2
"""In slots (`api.http.limits.admission`)."""

HEAVY_TOKENS = 10
"""Of the rate limit: such a request costs some ten light ones."""

# From memory, or one row: everything else below /v1 reads tables, or all of a view.
_LIGHT_PATHS = re.compile(
    r"/v1/(entities/[^/]+(/state|/relations)?|alarms/[^/]+(/_\w+)?|incidents/[^/]+(/_\w+)?"
    r"|rules/[^/]+|duty/on-call|principal|subscriptions/[^/]+)"
)


def request_weight(path: str) -> int:
    """Return the slots that a request takes.

    A download takes them until its first part is read (`api.bulk.slots` has its further limits).

    >>> [request_weight(path) for path in ("/v1/entities/city.0/state", "/v1/observations", "/page.json")]
    [1, 2, 1]
    """
    if not path.startswith("/v1/"):
        return LIGHT
    heavy_name = path.endswith(("/cap", "/_statistics", "/_backtest"))
    return LIGHT if _LIGHT_PATHS.fullmatch(path) and not heavy_name else HEAVY
