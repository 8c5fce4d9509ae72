"""Routes of alarm rules: read by every role, changed by operators; every version is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from api.access.authorization import actor_of, rights_of
from api.context import ApiContext, context_of
from api.http.answers import answers
from api.http.bodies import read_json_object
from api.http.pages import render_page
from api.http.parameters import NoQuery, PageParameters
from api.http.problems import ProblemError, RequestFault, bad_request, not_found
from api.http.responses import decode_page_cursor, first_page
from api.rules import answers as rule_answers
from api.rules.documents import (
    entity_tag,
    expected_version,
    requested_rule,
    rule_faults,
    rule_model,
    rule_path,
    version_model,
)
from api.rules.models import RuleModel, RuleVersionModel
from api.rules.schemas import RuleParameters
from cities.rules.document import RULES_MAX, read_rule
from storage.model.content_version import RuleVersion
from storage.model.rule_store import RULES, read_versions_of
from storage.model.version_table import VersionConflictError
from twin.alarms.rules.rule import Rule

router = APIRouter(prefix="/v1", tags=["rules"])

ANY_VERSION = 2**31 - 1

RuleId = Annotated[str, Path(max_length=128, description="Id of the rule.")]
IfMatch = Annotated[str, Header(alias="If-Match", description="The ETag that the rule must have.")]
IfNoneMatch = Annotated[
    str, Header(alias="If-None-Match", description="`*`: only if the rule does not exist.")
]


@router.get("/rules", summary="List the rules of the city")
@answers(rule_answers.RULES)
async def list_rules(request: Request, parameters: Annotated[RuleParameters, Query()]) -> Response:
    """List the rules in force, by id, in the format of rules.yaml; thresholds in canonical units.

    Without the database they come from memory, without the names of their editors.
    """
    rights, context = rights_of(request), context_of(request)
    rules, stored = await _rules_in_force(context)
    after = decode_page_cursor(parameters.cursor, str) or ""
    selected = [
        rule
        for id, rule in sorted(rules.items())
        if id > after and (not parameters.theme or rule.theme in parameters.theme)
    ]
    page, following = first_page(selected, parameters.limit, lambda rule: rule.id)

    def rendered(rule: Rule) -> RuleModel:
        return rule_model(rule, stored.get(rule.id), context.model, rights)

    return rule_answers.RULES.response(render_page(request, page, rendered, lambda last: last.id, following))


@router.get("/rules/{id}", summary="Get a rule")
@answers(rule_answers.RULE, problems=(HTTPStatus.NOT_FOUND,))
async def get_rule(request: Request, id: RuleId, _: NoQuery) -> Response:
    """Return a rule in force; its version is the ETag."""
    context = context_of(request)
    rules, stored = await _rules_in_force(context)
    if id not in rules:
        raise _unknown_rule(id)
    return rule_answers.RULE.response(*_tagged(request, rules[id], stored.get(id)))


@router.put("/rules/{id}", summary="Create or change a rule")
@answers(
    rule_answers.RULE_PUT,
    rule_answers.RULE_CREATED,
    problems=(HTTPStatus.PRECONDITION_FAILED,),
    role="operator",
    body=rule_answers.PUT_BODY,
)
async def put_rule(
    request: Request,
    id: RuleId,
    _: NoQuery,
    if_match: IfMatch = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Put a rule into force, in the format of rules.yaml; every role applies it within 2 s.

    The version rises only when the content changes. The city folder replaces the rule once the folder itself
    changes it.
    """
    context = context_of(request)
    model = context.model
    expected = expected_version(if_match, if_none_match)
    document = requested_rule(await read_json_object(request, "like an item of rules.yaml"), id)
    rule = await asyncio.to_thread(read_rule, document, model)
    if not isinstance(rule, Rule):
        raise bad_request(*rule_faults(rule))
    if id not in model.rules and len(model.rules) >= RULES_MAX:
        raise bad_request(
            RequestFault("body", "", "many", f"the city already has the limit of {RULES_MAX} rules")
        )
    actor = actor_of(request)
    async with context.database.connection() as connection:
        try:
            change = await RULES.put(connection, model.city.id, rule, actor, expected)
        except VersionConflictError as error:
            raise _conflict(error) from None
        stored = (await RULES.read(connection))[id]
    body, headers = _tagged(request, stored.item, stored)
    if change.action in ("create", "revive"):
        return rule_answers.RULE_CREATED.response(body, {**headers, "Location": rule_path(id)})
    return rule_answers.RULE_PUT.response(body, headers)


@router.delete("/rules/{id}", summary="Delete a rule")
@answers(
    rule_answers.DELETED,
    problems=(HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED),
    role="operator",
)
async def delete_rule(request: Request, id: RuleId, _: NoQuery, if_match: IfMatch = "") -> Response:
    """Put a rule out of force; its alarms end, its versions stay."""
    context = context_of(request)
    expected = expected_version(if_match, "")
    actor = actor_of(request)
    async with context.database.connection() as connection:
        try:
            change = await RULES.delete(connection, context.model.city.id, id, actor, expected)
        except VersionConflictError as error:
            raise _conflict(error) from None
    if change is None:
        raise _unknown_rule(id)
    return rule_answers.DELETED.response()


@router.get("/rules/{id}/versions", summary="List the versions of a rule")
@answers(rule_answers.VERSIONS, problems=(HTTPStatus.NOT_FOUND,))
async def list_rule_versions(
    request: Request, id: RuleId, parameters: Annotated[PageParameters, Query()]
) -> Response:
    """List the versions of a rule with their editors, newest first; of a deleted rule as well."""
    rights, context = rights_of(request), context_of(request)
    before = decode_page_cursor(parameters.cursor, int)
    async with context.database.connection() as connection:
        versions = await read_versions_of(connection, id, before or ANY_VERSION, parameters.limit + 1)
    if not versions and before is None:
        raise _unknown_rule(id)
    page, following = first_page(versions, parameters.limit, lambda version: version.item.version)

    def rendered(version: RuleVersion) -> RuleVersionModel:
        return version_model(version, context.model, rights)

    return rule_answers.VERSIONS.response(
        render_page(request, page, rendered, lambda last: last.item.version, following)
    )


async def _rules_in_force(
    context: ApiContext,
) -> tuple[Mapping[str, Rule], Mapping[str, RuleVersion]]:
    """Return the rules in force and their stored versions; without the database, those of the city model.

    The database comes first, so that a client reads back its own change at once.
    """
    try:
        async with context.database.connection() as connection:
            stored = await RULES.read(connection)
    except ProblemError:
        return context.model.rules, {}
    return {id: version.item for id, version in stored.items() if not version.deleted}, stored


def _tagged(request: Request, rule: Rule, stored: RuleVersion | None) -> tuple[RuleModel, Mapping[str, str]]:
    """Return a rule in force, and the header with its entity tag."""
    body = rule_model(rule, stored, context_of(request).model, rights_of(request))
    return body, {"ETag": entity_tag(rule.version)}


def _unknown_rule(id: str) -> ProblemError:
    return not_found(f"The city has no rule {id!r}; /v1/rules lists them.")


def _conflict(error: VersionConflictError) -> ProblemError:
    return ProblemError(HTTPStatus.PRECONDITION_FAILED, f"{error}. Read the rule again before you change it.")
