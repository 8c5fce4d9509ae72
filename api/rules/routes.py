"""Rules of alarms: read by anybody, changed by operators, every version kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from api.context import ApiContext, context_of
from api.http.access import actor_of, require_role, role_of
from api.http.bodies import read_json_object
from api.http.parameters import LIMIT_DEFAULT, NoParameters, PageCursor, PageLimit, Parameters, split_names
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import collection_document, decode_page_cursor, encode_page_cursor, json_response
from api.rules import examples
from api.rules.documents import (
    current_document,
    entity_tag,
    expected_version,
    requested_rule,
    rule_faults,
    rule_path,
    version_document,
)
from cities.rules.document import RULES_MAX, read_rule
from storage.model.rule_store import (
    RuleConflictError,
    delete_rule,
    put_rule,
    read_rule_versions,
    read_versions_of,
)
from storage.model.rule_version import RuleVersion
from twin.alarms.rules.rule import Rule
from twin.model.observed_property import Theme

router = APIRouter(prefix="/v1", tags=["rules"])

ANY_VERSION = 2**31 - 1

RuleId = Annotated[str, Path(max_length=128, description="Id of the rule.")]
IfMatch = Annotated[str, Header(alias="If-Match", description="The ETag that the rule must have.")]
IfNoneMatch = Annotated[str, Header(alias="If-None-Match", description="`*`: only if there is no such rule.")]


class RuleParameters(Parameters):
    """Which rules, by id."""

    theme: Annotated[list[Theme], BeforeValidator(split_names)] = Field(
        default=[], description="Themes, any of them."
    )
    cursor: PageCursor = None
    limit: PageLimit = LIMIT_DEFAULT


class VersionParameters(Parameters):
    """Which page of the versions of a rule, newest first."""

    cursor: PageCursor = None
    limit: PageLimit = LIMIT_DEFAULT


@router.get("/rules", summary="The rules of the city", responses=examples.RULES)
async def list_rules(request: Request, wanted: Annotated[RuleParameters, Query()]) -> Response:
    """List the rules that hold, by id, as rules.yaml would have them; thresholds in canonical units.

    While the database is away they come from memory, without who changed them.
    """
    role, context = role_of(request), context_of(request)
    rules, stored = await _rules(context)
    after = decode_page_cursor(wanted.cursor, str) or ""
    found = [
        rule
        for id, rule in sorted(rules.items())
        if id > after and (not wanted.theme or rule.theme in wanted.theme)
    ]
    page = found[: wanted.limit]
    following = encode_page_cursor(page[-1].id) if len(found) > len(page) else None
    items = [current_document(one, stored.get(one.id), context.model, role) for one in page]
    return json_response(collection_document(request, items, following))


@router.get("/rules/{id}", summary="One rule", responses=examples.RULE)
async def get_rule(request: Request, id: RuleId, _: Annotated[NoParameters, Query()]) -> Response:
    """Return a rule as it holds; its version is the ETag."""
    context = context_of(request)
    rules, stored = await _rules(context)
    if id not in rules:
        raise _unknown(id)
    return _told(request, rules[id], stored.get(id))


@router.put(
    "/rules/{id}",
    summary="Make or change a rule",
    responses=examples.PUT,
    openapi_extra=examples.PUT_BODY,
)
async def put(
    request: Request,
    id: RuleId,
    _: Annotated[NoParameters, Query()],
    if_match: IfMatch = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Make a rule hold, as an item of rules.yaml would; every role takes it over within 2 s.

    Its version rises only if its content changes. The city folder overrules it once the folder itself says
    something else of the rule than it said before.
    """
    require_role(request, "operator")
    context = context_of(request)
    model = context.model
    expected = expected_version(if_match, if_none_match)
    document = requested_rule(await read_json_object(request, "like an item of rules.yaml"), id)
    rule = await asyncio.to_thread(read_rule, document, model)
    if not isinstance(rule, Rule):
        raise bad_request(*rule_faults(rule))
    if id not in model.rules and len(model.rules) >= RULES_MAX:
        raise bad_request(
            RequestFault("body", "", "many", f"the city has {RULES_MAX} rules already, the most")
        )
    by = await actor_of(request)
    async with context.database.connection() as connection:
        try:
            change = await put_rule(connection, model.city.id, rule, by, expected)
        except RuleConflictError as error:
            raise _outdated(error) from None
        stored = (await read_rule_versions(connection))[id]
    response = _told(request, stored.rule, stored)
    if change.action in ("create", "revive"):
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = rule_path(id)
    return response


@router.delete(
    "/rules/{id}",
    summary="Let a rule hold no more",
    status_code=HTTPStatus.NO_CONTENT,
    responses=examples.DELETED,
)
async def delete(
    request: Request, id: RuleId, _: Annotated[NoParameters, Query()], if_match: IfMatch = ""
) -> Response:
    """Let a rule hold no more; its alarms end, its versions stay."""
    require_role(request, "operator")
    context = context_of(request)
    expected = expected_version(if_match, "")
    by = await actor_of(request)
    async with context.database.connection() as connection:
        try:
            change = await delete_rule(connection, context.model.city.id, id, by, expected)
        except RuleConflictError as error:
            raise _outdated(error) from None
    if change is None:
        raise _unknown(id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/rules/{id}/versions", summary="The versions of a rule", responses=examples.VERSIONS)
async def list_versions(
    request: Request, id: RuleId, wanted: Annotated[VersionParameters, Query()]
) -> Response:
    """List what a rule was, newest first, with who changed it; of a deleted rule, too."""
    role, context = role_of(request), context_of(request)
    before = decode_page_cursor(wanted.cursor, int)
    async with context.database.connection() as connection:
        found = await read_versions_of(connection, id, before or ANY_VERSION, wanted.limit + 1)
    if not found and before is None:
        raise _unknown(id)
    page = found[: wanted.limit]
    following = encode_page_cursor(page[-1].rule.version) if len(found) > len(page) else None
    items = [version_document(one, context.model, role) for one in page]
    return json_response(collection_document(request, items, following))


async def _rules(context: ApiContext) -> tuple[Mapping[str, Rule], Mapping[str, RuleVersion]]:
    """Return the rules that hold and their stored versions; without the database, those of the model alone.

    The database is asked first, so that whoever has changed a rule reads it back as it is.
    """
    try:
        async with context.database.connection() as connection:
            stored = await read_rule_versions(connection)
    except ProblemError:
        return context.model.rules, {}
    return {id: one.rule for id, one in stored.items() if not one.deleted}, stored


def _told(request: Request, rule: Rule, stored: RuleVersion | None) -> Response:
    response = json_response(current_document(rule, stored, context_of(request).model, role_of(request)))
    response.headers["ETag"] = entity_tag(rule.version)
    return response


def _unknown(id: str) -> ProblemError:
    return not_found(f"The city has no rule {id!r}; /v1/rules lists them.")


def _outdated(error: RuleConflictError) -> ProblemError:
    return ProblemError(HTTPStatus.PRECONDITION_FAILED, f"{error}. Read it again before you change it.")
