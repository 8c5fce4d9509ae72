"""The case `backtest`: the duration of a back-test over a month of stored history.

A database is filled with 30 days of one-minute values of 100 entities, and hourly means of the weeks before.
Then each kind of rule is tested over all of it, as by the api, including the reading. Values have a
resolution of 0.1, and a daily cycle with a random walk; every few days a value of an entity exceeds the
threshold.
"""

from __future__ import annotations

import asyncio
import math
import time

import click
import numpy as np
import psutil

from benchmarks.load.observation_rows import COPY_OBSERVATIONS, binary_copy
from benchmarks.measure.bare_services import bare_database
from benchmarks.measure.machine import describe_machine
from benchmarks.report.results import OUT, write_results
from storage.database import Connection, connect
from storage.history.backtest import backtest_rules as run_backtest
from tests.support.cities.city_builder import CityBuilder
from twin.alarms.rules.expression import CompiledExpression
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    Condition,
    Deviation,
    ExpressionCondition,
    Level,
    NOfM,
    Rate,
    Rule,
    ThresholdCondition,
)
from twin.alarms.severity import Severity
from twin.instant import DAY, HOUR, MINUTE, SECOND, Instant, to_datetime
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.entity import Relation

ENTITIES = 100
DAYS = 30
START: Instant = 1_764_547_200 * SECOND  # 2025-12-01T00:00:00Z
KINDS = ("threshold", "n of m", "expression", "two operands", "rate", "deviation")
WEEKS_BEFORE = 6  # of hourly means, for the baseline


@click.command()
@click.option("--entities", type=click.IntRange(1, 1_000), default=ENTITIES, show_default=True)
@click.option("--days", type=click.IntRange(1, 366), default=DAYS, show_default=True)
@click.option("--kind", type=click.Choice(KINDS), multiple=True, default=KINDS)
def backtest(*, entities: int, days: int, kind: tuple[str, ...]) -> None:
    """Test rules over stored one-minute values; print the durations."""
    machine = describe_machine(OUT.parent)
    found = asyncio.run(_measure(entities, days, kind))
    write_results("backtest", {"machine": machine, "entities": entities, "days": days, "seconds": found})


async def _measure(entities: int, days: int, kinds: tuple[str, ...]) -> dict[str, dict[str, float]]:
    model, end = _city(entities), START + days * DAY
    found: dict[str, dict[str, float]] = {}
    async with (
        bare_database() as cluster,
        await connect(cluster.dsn(), role="benchmark") as connection,
    ):
        postgres = connection.info.backend_pid
        began = time.monotonic()
        for day in range(days):
            await _fill(connection, entities, day)
        await _fill_hours(connection, entities)
        await connection.execute("ANALYZE observation")
        await connection.execute("ANALYZE aggregate_hour")
        await connection.commit()
        rows = entities * days * 1440
        print(f"{rows:,} values of {entities} entities are stored after {time.monotonic() - began:.0f} s")
        print(f"{'rule':<12}{'seconds':>9}{'CPU here':>10}{'CPU there':>11}{'firings':>9}")
        for kind in kinds:
            here, there, began = time.process_time(), _cpu_of(postgres), time.monotonic()
            findings = await run_backtest(connection, [_rule(kind)], model, (START, end), Severity.MINOR)
            seconds = {
                "seconds": round(time.monotonic() - began, 2),
                "cpuHere": round(time.process_time() - here, 2),
                "cpuThere": round(_cpu_of(postgres) - there, 2),
            }
            found[kind] = seconds
            print(
                f"{kind:<12}{seconds['seconds']:>9.2f}{seconds['cpuHere']:>10.2f}{seconds['cpuThere']:>11.2f}"
                f"{len(findings[0].firings):>9}"
            )
    return found


def _cpu_of(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


async def _fill(connection: Connection, entities: int, day: int) -> None:
    """Store the observations of a day, in the order of reception."""
    dice = np.random.default_rng(day)
    times = START + day * DAY + np.arange(1440, dtype=np.int64) * MINUTE
    daily = 12 + 6 * np.sin(np.arange(1440) / 1440 * 2 * np.pi)
    wandering = np.cumsum(dice.normal(0, 0.25, (entities, 1440)), axis=1)
    values = np.maximum(0.5, daily + wandering + dice.normal(0, 0.3, (entities, 1440))).round(1)
    ids = np.tile(np.arange(1, entities + 1, dtype=np.int64), 1440)
    moments = np.repeat(times, entities)
    data = binary_copy(ids, moments, moments + SECOND, values.T.ravel())
    async with connection.cursor() as cursor, cursor.copy(COPY_OBSERVATIONS) as copy:
        await copy.write(data)
    await connection.commit()


async def _fill_hours(connection: Connection, entities: int) -> None:
    """Store the hourly means before the first day, for the baseline."""
    rows = [
        (id, to_datetime(START - hours * HOUR), 12 + 6 * math.sin((-hours % 24 + 0.5) / 24 * 2 * math.pi))
        for id in range(1, entities + 1)
        for hours in range(WEEKS_BEFORE * 7 * 24, 0, -1)
    ]
    async with connection.cursor() as cursor, cursor.copy(_COPY_HOURS) as copy:
        for id, start, mean in rows:
            await copy.write_row((id, start, 1, 60, 0, 60.0, 0, mean, mean, mean, mean, mean, b""))
    await connection.commit()


_BOTH = "pm2_5 > 25.0 && pm2_5 > 2.0 * isNextTo.pm2_5"

_COPY_HOURS = """COPY aggregate_hour (datastream_id, start, revision, count, suspect,
    expected, flags, minimum, maximum, mean, first, last, sketch) FROM STDIN"""


def _rule(kind: str) -> Rule:
    operand = Operand("pm2_5")
    levels = (Level(Severity.WARNING, 25.0, 20.0), Level(Severity.MINOR, 35.0, 30.0))
    conditions: dict[str, Condition] = {
        "threshold": ThresholdCondition(operand=operand, direction="above", levels=levels),
        "expression": ExpressionCondition(
            source="pm2_5 > 25.0", operands=(operand,), severity=Severity.MINOR
        ),
        "n of m": ThresholdCondition(
            operand=operand,
            direction="above",
            levels=(Level(Severity.MINOR, 25.0, 20.0),),
            times=NOfM(7, 10),
        ),
        "two operands": ExpressionCondition(
            source=_BOTH, operands=CompiledExpression(_BOTH).operands, severity=Severity.MINOR
        ),
        "rate": ThresholdCondition(
            operand=operand,
            direction="above",
            levels=(Level(Severity.MINOR, 20.0, 10.0),),
            transform=Rate(HOUR, 30 * MINUTE),
        ),
        "deviation": ThresholdCondition(
            operand=operand,
            direction="above",
            levels=(Level(Severity.MINOR, 15.0, 10.0),),
            transform=Deviation("absolute"),
        ),
    }
    return Rule(
        id=kind,
        version=1,
        title=BilingualText(kind, kind),
        theme="environment",
        condition=conditions[kind],
        on_delay=10 * MINUTE,
        off_delay=10 * MINUTE,
    )


def _city(entities: int) -> CityModel:
    builder = CityBuilder("city", "City").entity("city", "Municipality", "City")
    for number in range(1, entities + 1):
        site = f"site-{number}"
        next_site = Relation("isNextTo", f"site-{number % entities + 1}")
        builder.entity(site, "MonitoringSite", f"Site {number}", parent="city", relations=(next_site,))
        builder.sensor(f"sensor-{number}", site, "pm2_5")
    return builder.model()
