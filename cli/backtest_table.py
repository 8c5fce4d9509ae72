"""A back-test for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
