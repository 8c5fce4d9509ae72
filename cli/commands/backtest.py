"""`livetwin backtest`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from api.rules.backtest_documents import backtest_document
from cities.rules.reader import read_rule_file
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


# A back-test for a person at a terminal.

BacktestDocument = dict[str, Any]

ENTITIES_LISTED_MAX = 20


def backtest_lines(document: BacktestDocument) -> Iterator[str]:
    """Yield the lines that tell what a back-test found, most telling first."""
    rule, told, night = document["rule"], document["notifications"], document["notificationsPerNight"]
    version = f" version {rule['version']}" if rule["version"] else ""
    place = f"{document['entities']} entities"
    yield f"{rule['id']}{version} on {place}, {document['start']} to {document['end']}"
    yield ""
    yield f"{'firings':<24}{document['firingCount']}"
    severities = ", ".join(f"{count} {word}" for word, count in told["bySeverity"].items() if count)
    yield f"{'notifications':<24}{told['total']}{f' ({severities})' if severities else ''}"
    yield f"{'most in ten minutes':<24}{told['mostInTenMinutes']:g}{_at(told['mostTime'])}"
    yield (
        f"{'a night, ' + night['severity'] + ' or worse':<24}{night['mean']:.2f} on average, "
        f"{night['most']} at most, in {night['nights']} nights"
    )
    yield f"{'chattering':<24}{_repeated(document['chattering'])}"
    yield f"{'fleeting':<24}{_repeated(document['fleeting'])}"
    if document["perEntity"]:
        yield ""
        yield f"{'entity':<40}{'firings':>9}{'active':>16}{'longest':>16}"
        for one in document["perEntity"][:ENTITIES_LISTED_MAX]:
            yield f"{one['entityId']:<40}{one['firings']:>9}{one['active']:>16}{one['longest']:>16}"
        yield from _rest(len(document["perEntity"]), ENTITIES_LISTED_MAX)
    if document["firings"]:
        yield ""
        yield from map(_firing, document["firings"])
        yield from _rest(document["firingCount"], len(document["firings"]))
    yield from _faults(document["faults"])
    yield from _difference(document["difference"])


def _firing(one: BacktestDocument, mark: str = " ") -> str:
    until = one["returnedTime"] or "still"
    place = one["entityId"] + (f" {one['sensorId']}" if one["sensorId"] else "")
    peak = f"{one['peak']:g}" if one["peak"] is not None else ""
    return f"{mark} {one['raisedTime']:<22}{until:<22}{one['severity']:<10}{peak:>10}  {place}"


def _faults(faults: list[BacktestDocument]) -> Iterator[str]:
    if faults:
        yield ""
        yield "could not be evaluated:"
        for one in faults[:ENTITIES_LISTED_MAX]:
            yield f"  {one['entityId']}: {one['detail']}"
        yield from _rest(len(faults), ENTITIES_LISTED_MAX)


def _difference(found: BacktestDocument | None) -> Iterator[str]:
    yield ""
    if found is None:
        yield "no rule of this id is in force: there is nothing to compare with"
        return
    yield (
        f"against version {found['comparedWith']['version']} in force ({found['firingCount']} firings, "
        f"{found['notifications']} notifications): {found['addedCount']} added, {found['removedCount']} "
        f"removed, {found['changedCount']} changed, {found['unchangedCount']} the same"
    )
    for mark, name in (("+", "added"), ("-", "removed")):
        for one in found[name]:
            yield _firing(one, mark)
    for one in found["changed"]:
        yield _firing(one["before"], "<")
        yield _firing(one["after"], ">")


def _at(time: str | None) -> str:
    return f", from {time}" if time is not None else ""


def _repeated(found: list[BacktestDocument]) -> str:
    if not found:
        return "none"
    shown = ", ".join(f"{one['alarmId']} ({one['count']})" for one in found[:3])
    return f"{len(found)} alarms: {shown}{', …' if len(found) > 3 else ''}"


def _rest(count: int, shown: int) -> Iterator[str]:
    if count > shown:
        yield f"  … and {count - shown} more"
