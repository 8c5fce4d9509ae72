"""`livetwin backtest`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from api.rules.backtest_documents import backtest_document
from cities.rules.reader import read_rule_file
from cli.backtest_table import backtest_lines
from cli.runner import read_settings
from runtime.clock import system_clock
from runtime.settings import RoleSettings
from storage.database import connect
from storage.history.backtest import backtest_rules
from storage.model.model_store import load_model
from twin.alarms.rules.rule import Rule
from twin.alarms.severity import SEVERITY_WORDS, severity_of
from twin.backtest.backtest import BacktestResult
from twin.backtest.firing import FiringDifference, compare_firings
from twin.errors import TwinError
from twin.instant import Instant, parse_instant
from twin.model.city_model import CityModel

FIRINGS_LISTED = 50


class UnknownRuleError(TwinError):
    """There is no such rule."""


def _time(_: click.Context, __: click.Parameter, text: str) -> Instant:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(f"found {text!r}, expected a time such as 2026-11-01T00:00:00Z") from error


@click.command("backtest")
@click.argument("rule", metavar="RULE")
@click.option("--start", required=True, callback=_time, help="From when on, with offset.")
@click.option("--end", required=True, callback=_time, help="Until when, exclusive.")
@click.option("--id", "id", default="", help="Which rule of a file that has several.")
@click.option(
    "--severity",
    type=click.Choice(SEVERITY_WORDS),
    default="minor",
    show_default=True,
    help="From which on an alarm counts as a notification at night.",
)
@click.option(
    "--limit", type=click.IntRange(0), default=FIRINGS_LISTED, show_default=True, help="Firings listed."
)
@click.option("--json", "as_json", is_flag=True, help="Print the document that the API answers with.")
def command(
    *, rule: str, start: Instant, end: Instant, id: str, severity: str, limit: int, as_json: bool
) -> None:
    """Tell what a rule would have raised over stored history, and what the one in force would have.

    RULE is the id of a rule in the database (LIVETWIN_DATABASE, LIVETWIN_CITY), or a YAML file with one.
    """
    least = severity_of(severity)
    settings = read_settings(RoleSettings)

    async def run() -> tuple[list[BacktestResult], bool]:
        async with await connect(settings.database.get_secret_value(), role="backtest") as connection:
            model = await load_model(connection, settings.city)
            await connection.commit()
            asked = _rule(rule, id, model)
            known = model.rules.get(asked.id)
            differs = known is not None and known.content() != asked.content()
            rules = [asked, known] if differs and known is not None else [asked]
            span = start, min(end, system_clock())  # what stands now has lasted until now
            return await backtest_rules(connection, rules, model, span, least), known is not None

    found, is_known = asyncio.run(run())
    compared: tuple[BacktestResult, FiringDifference] | None = None
    if is_known:
        compared = found[-1], compare_firings(found[-1].firings, found[0].firings)
    document = backtest_document(found[0], least, limit, compared)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for line in backtest_lines(document):
        click.echo(line)


def _rule(name: str, id: str, model: CityModel) -> Rule:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return read_rule_file(path, model, id)
    if name not in model.rules:
        raise UnknownRuleError(
            f"the city has no rule {name!r}, and there is no such file; `livetwin export` writes its rules"
        )
    return model.rules[name]
