"""Records changes and readings of personal data before the answer is sent. ASGI middleware."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any, cast

from pydantic.alias_generators import to_camel
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.rights import PUBLIC, Rights
from api.database import Database
from api.http.problems import ProblemError, problem_response, unavailable
from api.metrics import ApiMetrics
from runtime.clock import Clock
from runtime.telemetry.tracing import TRACEPARENT, extract_context
from storage.stores.audit_log import AuditEntry, insert_audit_entry
from twin.model.role import may_read_personal_data

log = logging.getLogger(__name__)

CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})

TARGET_CHARACTERS_MAX = 2_000
"""Of path and query in a record: a filter of 500 names need not be kept whole."""

_REFUSED_FROM = 400
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_RETRY_AFTER_S = 5


class AuditedAnswers:
    """Middleware around the application.

    An answer with readings of households is not sent unless that is recorded (503): no reading goes unseen.
    A change has taken effect by then, and the duty room needs alarms, also those of silent meters, and the
    addresses of contacts without a database as well: such an answer is sent all the same, and what was to be
    recorded is in the log of the process, as the event `audit.not_stored`.
    """

    def __init__(self, app: ASGIApp, database: Database, clock: Clock, metrics: ApiMetrics) -> None:
        self._app = app
        self._database = database
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and record it when its answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_withheld = False

        async def send_recorded(message: Message) -> None:
            nonlocal is_withheld
            if message["type"] == "http.response.start":
                problem = await self._record(scope, message["status"])
                if problem is not None:
                    is_withheld = True
                    await problem_response(problem, scope["path"])(scope, receive, send)
            if not is_withheld:
                await send(message)

        await self._app(scope, receive, send_recorded)

    async def _record(self, scope: Scope, status: int) -> ProblemError | None:
        """Record a request where it must be; return the problem of one whose answer must not be sent."""
        rights = cast(Rights, scope.get("state", {}).get("rights", PUBLIC))
        is_reading = bool(rights.read_households or rights.read_contacts)
        if status >= _REFUSED_FROM or not (is_reading or scope["method"] in CHANGING_METHODS):
            return None
        entry = self._entry(scope, status, rights)
        try:
            async with self._database.connection() as connection:
                await insert_audit_entry(connection, entry)
        except ProblemError as problem:
            self._metrics.audit_failures.inc()
            if not (entry.households and may_read_personal_data(rights.principal.role)):
                log.warning("not in the audit log, since the database is unavailable", extra=_logged(entry))
                return None
            log.warning(
                "an answer with personal data is withheld, since its reading cannot be recorded: %s",
                problem.detail,
                extra={"event": "audit.reading_refused", "operation": entry.operation},
            )
            return unavailable(
                "This answer contains personal data, and its reading cannot be recorded now, since the "
                "database is unavailable; try again later.",
                _RETRY_AFTER_S,
            )
        return None

    def _entry(self, scope: Scope, status: int, rights: Rights) -> AuditEntry:
        context = extract_context([(TRACEPARENT, _traceparent(scope))], sampled_only=False)
        return AuditEntry(
            time=self._clock(),
            principal=rights.principal.name,
            role=rights.principal.role,
            operation=to_camel(getattr(scope.get("route"), "name", "")),
            target=_target(scope),
            status=status,
            households=tuple(sorted(rights.read_households)),
            contacts=tuple(sorted(rights.read_contacts)),
            trace_id=(
                context.trace_id.to_bytes(_TRACE_BYTES)
                if context is not None
                else secrets.token_bytes(_TRACE_BYTES)
            ),
            parent_span_id=context.span_id.to_bytes(_SPAN_BYTES) if context is not None else None,
            span_id=secrets.token_bytes(_SPAN_BYTES),
        )


def _target(scope: Scope) -> str:
    if "token" in scope.get("path_params", {}):
        # The token in the link of a message is a credential.
        return cast(str, scope["route"].path)
    query = scope["query_string"].decode("ascii", "replace")
    target = cast(str, scope["path"]) + (f"?{query}" if query else "")
    return target[:TARGET_CHARACTERS_MAX].replace("\0", "")


def _traceparent(scope: Scope) -> bytes:
    return Headers(scope=scope).get(TRACEPARENT, "").encode("latin-1")


def _logged(entry: AuditEntry) -> Mapping[str, Any]:
    """Return what the log of the process keeps of an entry."""
    return {
        "event": "audit.not_stored",
        "principal": entry.principal,
        "role": entry.role,
        "operation": entry.operation,
        "target": entry.target,
        "status": entry.status,
        "households": list(entry.households),
        "contacts": list(entry.contacts),
    }
