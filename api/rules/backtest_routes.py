"""Back-tests: what a rule would have raised over stored history."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from api.alarms.schemas import SeverityWord
from api.context import context_of
from api.http.access import require_role
from api.http.bodies import RequestBody, read_body
from api.http.parameters import NoParameters, TimeText, parse_time
from api.http.problems import ProblemError, RequestFault, bad_request
from api.http.responses import json_response
from api.rules import examples
from api.rules.backtest_documents import backtest_document
from api.rules.documents import RESPONSE_MEMBERS, rule_faults
from cities.rules.document import read_rule
from storage.database import Connection
from storage.history.backtest import backtest_rules
from storage.model.rule_store import read_rule_versions, read_versions_of
from twin.alarms.rules.rule import Rule
from twin.alarms.severity import severity_of
from twin.backtest.backtest import TooManyFiringsError
from twin.backtest.firing import compare_firings
from twin.model.city_model import CityModel

router = APIRouter(prefix="/v1", tags=["rules"])

FIRINGS_SHOWN = 100
FIRINGS_SHOWN_MAX = 1_000


class BacktestBody(RequestBody):
    """What is tested."""

    rule: str | dict[str, Any] = Field(description="A rule as rules.yaml has it, or the id of one in force.")
    start: TimeText = Field(description="From when on.")
    end: TimeText = Field(description="Until when, exclusive.")
    compare_with: Literal["in-force"] | int = Field(
        default="in-force", description="What it is compared with: the rule in force, or a version of it."
    )
    severity: SeverityWord = Field(
        default="minor", description="From which severity on an alarm counts as a notification at night."
    )
    limit: int = Field(
        default=FIRINGS_SHOWN, ge=0, le=FIRINGS_SHOWN_MAX, description="So many firings are listed at most."
    )


@router.post(
    "/rules/_backtest",
    summary="Test a rule against stored history",
    responses=examples.BACKTEST,
    openapi_extra=examples.BACKTEST_BODY,
)
async def backtest_rule(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """Tell what a rule would have raised, by the evaluator that runs live; nothing is changed by it.

    One runs at a time; a month of one-minute values of a hundred entities takes seconds.
    """
    require_role(request, "operator")
    context = context_of(request)
    asked = await read_body(request, BacktestBody)
    # What stands now has lasted until now, not until an end that is yet to come.
    start, end = parse_time(asked.start), min(parse_time(asked.end), context.clock())
    least = severity_of(asked.severity)
    model = context.model
    async with context.backtest_queue.turn(), context.database.connection() as connection:
        rule = await _rule(connection, asked.rule, model)
        other = await _compared(connection, rule.id, asked.compare_with)
        rules = [rule] if other is None or other.content() == rule.content() else [rule, other]
        try:
            found = await backtest_rules(connection, rules, model, (start, end), least)
        except TooManyFiringsError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"{error}.") from error
    compared = None
    if other is not None:
        before = found[-1]
        compared = before, await asyncio.to_thread(compare_firings, before.firings, found[0].firings)
    return json_response(backtest_document(found[0], least, asked.limit, compared))


async def _rule(connection: Connection, asked: str | dict[str, Any], model: CityModel) -> Rule:
    if isinstance(asked, str):
        known = (await read_rule_versions(connection)).get(asked)
        if known is None or known.deleted:
            raise bad_request(
                RequestFault(
                    "body", "rule", "unknown", f"the city has no rule {asked!r}; /v1/rules lists them"
                )
            )
        return known.rule
    document = {name: value for name, value in asked.items() if name not in RESPONSE_MEMBERS}
    rule = await asyncio.to_thread(read_rule, document, model)
    if not isinstance(rule, Rule):
        raise bad_request(
            *(msgspec.structs.replace(one, name=f"/rule{one.name}") for one in rule_faults(rule))
        )
    return rule


async def _compared(connection: Connection, id: str, asked: Literal["in-force"] | int) -> Rule | None:
    """Return the rule to compare with; None where none of that id is in force."""
    if asked == "in-force":
        known = (await read_rule_versions(connection)).get(id)
        return known.rule if known is not None and not known.deleted else None
    found = await read_versions_of(connection, id, asked + 1, 1)
    if not found or found[0].rule.version != asked:
        raise bad_request(
            RequestFault(
                "body", "compareWith", "unknown", f"rule {id} has no version {asked}, see its versions"
            )
        )
    return found[0].rule
