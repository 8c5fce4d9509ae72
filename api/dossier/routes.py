"""Routes of dossiers, and of the public key that verifies them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from api.access.authorization import actor_of, require_role_at, rights_of
from api.alarms.lookup import lookup_alarm
from api.alarms.routes import AlarmId
from api.alarms.visibility import may_see_sentence
from api.context import ApiContext, context_of
from api.dossier import answers as dossier_answers
from api.dossier.builder import (
    MEDIA_TYPE,
    SETTLED_AFTER,
    DossierRequest,
    MadeDossier,
    make_dossier,
    unknown_dossier,
)
from api.dossier.models import JsonWebKeySet
from api.dossier.schemas import DossierParameters
from api.http.answers import answers
from api.http.parameters import NoQuery, instant_or
from api.http.problems import RequestFault, bad_request, not_found, unavailable
from storage.database import QueryError
from storage.stores.alarms import read_stored_alarm_events
from storage.stores.dossier_register import record_dossier
from twin.alarms.messages import AlarmEvent
from twin.dossier.dossier_file import DossierError
from twin.instant import SECOND

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["alarms"])
keys_router = APIRouter(include_in_schema=False)

KEYS_PATH = "/.well-known/jwks.json"

DOSSIERS_MAX = 2
"""Dossiers that are made or sent at one time: each takes seconds of the database, and its size in memory."""

SEND_S_MAX = 60.0
"""A reader that takes longer for its dossier is cut off, so that others can have theirs."""

_CHUNK_BYTES = 64 * 1024
_RETRY_AFTER_S = 10


@router.get("/alarms/{id}/dossier", summary="Get the dossier of an alarm")
@answers(dossier_answers.DOSSIER, problems=(HTTPStatus.NOT_FOUND,), role="operator", in_areas=True)
async def get_dossier(
    request: Request, id: AlarmId, parameters: Annotated[DossierParameters, Query()]
) -> Response:
    """Return everything that an occurrence of an alarm rests on and led to, in one signed file.

    Raw messages, model, version of the rule, every transition, who was told when of what, and who
    acknowledged. `livetwin dossier verify` evaluates it again offline. For operators and above; who was given
    which dossier is registered.
    """
    rights = rights_of(request)
    context = context_of(request)
    event = lookup_alarm(context, id, rights)
    require_role_at(rights, "operator", event.entity)
    if context.signing_key is None:
        raise unavailable(
            "No key is configured that signs dossiers: make one with `livetwin dossier key FILE`, and set "
            "LIVETWIN_DOSSIER_KEY_FILE of the api.",
            None,
        )
    if not may_see_sentence(rights, event, context.model):
        raise not_found(f"The alarm {id!r} shows the values of single households: no dossier is made of it.")
    latest = context.clock() - SETTLED_AFTER
    at = instant_or(parameters.at, latest)
    if at > latest:
        raise bad_request(
            RequestFault(
                "query",
                "at",
                "range",
                f"expected a time at least {SETTLED_AFTER // SECOND} s ago: what was told since may not be "
                "stored yet",
            )
        )
    if context.dossier_slots.locked():
        raise unavailable(
            f"{DOSSIERS_MAX} dossiers are being made or sent; ask again in {_RETRY_AFTER_S} s.",
            _RETRY_AFTER_S,
        )
    await context.dossier_slots.acquire()
    try:
        made = await _make(request, context, event, DossierRequest(id, at, parameters.occurrence))
    except BaseException:
        context.dossier_slots.release()
        raise
    name = f"{id}~{made.occurrence}.dossier.zip".encode("ascii", "replace").decode().replace('"', "_")
    return StreamingResponse(
        _chunks(made.data, context.dossier_slots),
        media_type=MEDIA_TYPE,
        headers={
            "Content-Length": str(len(made.data)),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "ETag": f'"{made.sha256}"',
        },
    )


async def _make(
    request: Request, context: ApiContext, newest: AlarmEvent, wanted: DossierRequest
) -> MadeDossier:
    """Make and register a dossier; `newest` is the newest event of the alarm on the log."""
    assert context.signing_key is not None  # noqa: S101 - the caller has checked it
    actor = actor_of(request)
    settings = context.settings
    async with context.database.connection() as connection:
        stored = await read_stored_alarm_events(connection, wanted.alarm, before=None, limit=1)
        if newest.told_time <= wanted.at and (not stored or stored[0].revision < newest.revision):
            raise unavailable(
                "The newest event of the alarm is not stored yet; ask again, or for an earlier `at`.",
                _RETRY_AFTER_S,
            )
        try:
            made = await make_dossier(
                connection, settings.city, settings.partitions, wanted, context.signing_key
            )
        except DossierError as error:
            raise QueryError(str(error)) from error
        if made is None:
            raise not_found(unknown_dossier(wanted))
        digest = hashlib.sha256(made.data).digest()
        await record_dossier(connection, wanted.alarm, (made.occurrence, wanted.at, digest), actor)
    log.info(
        "the dossier of %s, occurrence %d, was given to %s",
        wanted.alarm,
        made.occurrence,
        actor,
        extra={"event": "api.dossier_issued", "alarm": wanted.alarm, "actor": actor, "sha256": made.sha256},
    )
    return made


async def _chunks(data: bytes, slots: asyncio.Semaphore) -> AsyncIterator[bytes]:
    """Yield the parts of a dossier; the server waits for the reader between them."""
    try:
        async with asyncio.timeout(SEND_S_MAX):
            for start in range(0, len(data), _CHUNK_BYTES):
                yield data[start : start + _CHUNK_BYTES]
    finally:
        slots.release()


@keys_router.get(KEYS_PATH)
async def get_keys(request: Request, _: NoQuery) -> Response:
    """Return the public key that verifies dossiers, as JSON Web Key Set (RFC 7517); empty without one.

    It shows which key the city uses now. Compare its thumbprint (`kid`) with one from another place.
    """
    key = context_of(request).signing_key
    keys = [key.public.jwk()] if key is not None else []
    return dossier_answers.KEYS.response(JsonWebKeySet(keys=keys))
