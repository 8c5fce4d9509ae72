"""Route of back-tests: the alarms that a rule would have raised over stored history."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.context import context_of
from api.http.answers import answers
from api.http.bodies import read_body
from api.http.parameters import NoQuery, parse_time
from api.http.problems import ProblemError, RequestFault, bad_request
from api.rules import answers as rule_answers
from api.rules.backtest_documents import backtest_model
from api.rules.documents import rule_faults
from api.rules.models import RESPONSE_MEMBERS
from api.rules.schemas import BacktestBody
from cities.rules.document import read_rule
from storage.database import Connection
from storage.history.backtest import backtest_rules
from storage.model.rule_store import RULES, read_versions_of
from twin.alarms.rules.rule import Rule
from twin.alarms.severity import severity_of
from twin.backtest.backtest import TooManyFiringsError
from twin.backtest.firing import compare_firings
from twin.model.city_model import CityModel

router = APIRouter(prefix="/v1", tags=["rules"])


@router.post("/rules/_backtest", summary="Test a rule against stored history")
@answers(rule_answers.BACKTEST, role="operator", body=rule_answers.BACKTEST_BODY)
async def backtest_rule(request: Request, _: NoQuery) -> Response:
    """Return the alarms that a rule would have raised, by the evaluator of the stream; changes nothing.

    One back-test runs at a time; a month of one-minute values of a hundred entities takes seconds.
    """
    context = context_of(request)
    body = await read_body(request, BacktestBody)
    # An alarm that is still active has lasted until now, not until an end in the future.
    start, end = parse_time(body.start), min(parse_time(body.end), context.clock())
    least = severity_of(body.severity)
    model = context.model
    async with context.backtest_queue.turn(), context.database.connection() as connection:
        rule = await _tested_rule(connection, body.rule, model)
        other = await _compared_rule(connection, rule.id, body.compare_with)
        rules = [rule] if other is None or other.content() == rule.content() else [rule, other]
        try:
            results = await backtest_rules(connection, rules, model, (start, end), least)
        except TooManyFiringsError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"{error}.") from error
    compared = None
    if other is not None:
        before = results[-1]
        compared = before, await asyncio.to_thread(compare_firings, before.firings, results[0].firings)
    return rule_answers.BACKTEST.response(backtest_model(results[0], least, body.limit, compared))


async def _tested_rule(connection: Connection, tested: str | dict[str, Any], model: CityModel) -> Rule:
    if isinstance(tested, str):
        stored = (await RULES.read(connection)).get(tested)
        if stored is None or stored.deleted:
            raise bad_request(
                RequestFault(
                    "body", "rule", "unknown", f"the city has no rule {tested!r}; /v1/rules lists them"
                )
            )
        return stored.item
    document = {name: value for name, value in tested.items() if name not in RESPONSE_MEMBERS}
    rule = await asyncio.to_thread(read_rule, document, model)
    if not isinstance(rule, Rule):
        raise bad_request(
            *(msgspec.structs.replace(fault, name=f"/rule{fault.name}") for fault in rule_faults(rule))
        )
    return rule


async def _compared_rule(connection: Connection, id: str, version: Literal["in-force"] | int) -> Rule | None:
    """Return the rule to compare with; None when no rule of that id is in force."""
    if version == "in-force":
        stored = (await RULES.read(connection)).get(id)
        return stored.item if stored is not None and not stored.deleted else None
    versions = await read_versions_of(connection, id, version + 1, 1)
    if not versions or versions[0].item.version != version:
        raise bad_request(
            RequestFault(
                "body", "compareWith", "unknown", f"rule {id} has no version {version}, see its versions"
            )
        )
    return versions[0].item
