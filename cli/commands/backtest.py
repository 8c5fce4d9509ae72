"""`livetwin backtest`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from msgspec.structs import asdict

from api.rules.backtest_documents import backtest_model
from api.rules.models import (
    AlarmRepetitions,
    BacktestDifference,
    BacktestResultModel,
    EntityFault,
    FiringModel,
)
from cities.rules.document import read_rule_file
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
ENTITIES_LISTED_MAX = 20


class UnknownRuleError(TwinError):
    """Neither the city nor a file has the rule."""


def _time(_: click.Context, __: click.Parameter, text: str) -> Instant:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(f"found {text!r}, expected a time such as 2026-11-01T00:00:00Z") from error


@click.command("backtest")
@click.argument("rule", metavar="RULE")
@click.option("--start", required=True, callback=_time, help="Start, with UTC offset.")
@click.option("--end", required=True, callback=_time, help="End, exclusive, with UTC offset.")
@click.option("--id", "id", default="", help="Id of the rule, for a file with several rules.")
@click.option(
    "--severity",
    type=click.Choice(SEVERITY_WORDS),
    default="minor",
    show_default=True,
    help="Least severity that counts as a notification at night.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=FIRINGS_LISTED,
    show_default=True,
    help="Maximum of listed firings.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the JSON document of the API.")
def command(
    *, rule: str, start: Instant, end: Instant, id: str, severity: str, limit: int, as_json: bool
) -> None:
    """Evaluate a rule over stored history, and compare it with the current version of that rule.

    RULE is the id of a rule in the database (LIVETWIN_DATABASE, LIVETWIN_CITY), or a YAML file with one.
    """
    least = severity_of(severity)
    settings = read_settings(RoleSettings)

    async def run() -> tuple[list[BacktestResult], bool]:
        async with await connect(settings.database.get_secret_value(), role="backtest") as connection:
            model = await load_model(connection, settings.city)
            await connection.commit()
            candidate = _rule(rule, id, model)
            current = model.rules.get(candidate.id)
            differs = current is not None and current.content() != candidate.content()
            rules = [candidate, current] if differs and current is not None else [candidate]
            span = start, min(end, system_clock())  # an active firing lasts until now
            return await backtest_rules(connection, rules, model, span, least), current is not None

    results, has_current = asyncio.run(run())
    comparison: tuple[BacktestResult, FiringDifference] | None = None
    if has_current:
        comparison = results[-1], compare_firings(results[-1].firings, results[0].firings)
    document = backtest_model(results[0], least, limit, comparison)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
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


def backtest_lines(tested: BacktestResultModel) -> Iterator[str]:
    """Yield the result of a back-test as lines of text, the most important first."""
    counts, night = tested.notifications, tested.notifications_per_night
    version = f" version {tested.rule.version}" if tested.rule.version else ""
    yield f"{tested.rule.id}{version} on {tested.entities} entities, {tested.start} to {tested.end}"
    yield ""
    yield f"{'firings':<24}{tested.firing_count}"
    severities = ", ".join(f"{count} {word}" for word, count in asdict(counts.by_severity).items() if count)
    yield f"{'notifications':<24}{counts.total}{f' ({severities})' if severities else ''}"
    yield f"{'most in ten minutes':<24}{counts.most_in_ten_minutes:g}{_at(counts.most_time)}"
    yield (
        f"{'a night, ' + night.severity + ' or worse':<24}{night.mean:.2f} on average, "
        f"{night.most} at most, in {night.nights} nights"
    )
    yield f"{'chattering':<24}{_repeated(tested.chattering)}"
    yield f"{'fleeting':<24}{_repeated(tested.fleeting)}"
    if tested.per_entity:
        yield ""
        yield f"{'entity':<40}{'firings':>9}{'active':>16}{'longest':>16}"
        for entity in tested.per_entity[:ENTITIES_LISTED_MAX]:
            yield f"{entity.entity_id:<40}{entity.firings:>9}{entity.active:>16}{entity.longest:>16}"
        yield from _rest(len(tested.per_entity), ENTITIES_LISTED_MAX)
    if tested.firings:
        yield ""
        yield from map(_firing, tested.firings)
        yield from _rest(tested.firing_count, len(tested.firings))
    yield from _faults(tested.faults)
    yield from _difference(tested.difference)


def _firing(firing: FiringModel, mark: str = " ") -> str:
    end = firing.returned_time or "still"
    source = firing.entity_id + (f" {firing.sensor_id}" if firing.sensor_id else "")
    peak = f"{firing.peak:g}" if firing.peak is not None else ""
    times = f"{firing.raised_time:<22}{end:<22}"
    return f"{mark} {times}{firing.severity:<10}{peak:>10}  {source}"


def _faults(faults: list[EntityFault]) -> Iterator[str]:
    if faults:
        yield ""
        yield "entities without an evaluation:"
        for fault in faults[:ENTITIES_LISTED_MAX]:
            yield f"  {fault.entity_id}: {fault.detail}"
        yield from _rest(len(faults), ENTITIES_LISTED_MAX)


def _difference(difference: BacktestDifference | None) -> Iterator[str]:
    yield ""
    if difference is None:
        yield "no comparison: the city has no rule with this id"
        return
    yield (
        f"compared with the current version {difference.compared_with.version} "
        f"({difference.firing_count} firings, {difference.notifications} notifications): "
        f"{difference.added_count} added, {difference.removed_count} removed, "
        f"{difference.changed_count} changed, {difference.unchanged_count} unchanged"
    )
    for mark, firings in (("+", difference.added), ("-", difference.removed)):
        for firing in firings:
            yield _firing(firing, mark)
    for change in difference.changed:
        yield _firing(change.before, "<")
        yield _firing(change.after, ">")


def _at(time: str | None) -> str:
    return f", from {time}" if time is not None else ""


def _repeated(alarms: list[AlarmRepetitions]) -> str:
    if not alarms:
        return "none"
    first = ", ".join(f"{alarm.alarm_id} ({alarm.count})" for alarm in alarms[:3])
    return f"{len(alarms)} alarms: {first}{', …' if len(alarms) > 3 else ''}"


def _rest(count: int, listed: int) -> Iterator[str]:
    if count > listed:
        yield f"  … and {count - listed} more"
