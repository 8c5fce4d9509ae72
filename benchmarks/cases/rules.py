"""The case `rules`: the cost of an observation with many rules that do not concern it.

The entity stage and the alarm stage process log records in one process. Two rules apply to every entity; the
others select types, areas, relations and single entities without observations. Each number of rules is
measured several times, in turns, and the minimum counts: other load can only add to it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import click

from benchmarks.measure.machine import describe_machine
from benchmarks.report.results import OUT, write_results
from runtime.kafka import topics
from stream.alarms.alarm_stage import AlarmStageFactory
from stream.alarms.rule_index_cache import RuleIndexCache
from stream.engine.stage import StreamStage
from stream.engine.stage_seed import EMPTY_SEED
from stream.entities.entity_stage import EntityStageFactory
from tests.support.cities.city_builder import CityBuilder
from twin.alarms.messages import ALARM_INPUTS, AlarmInputBatch
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    EntitySelection,
    ExpressionCondition,
    Level,
    Rule,
    ThresholdCondition,
)
from twin.alarms.severity import Severity
from twin.instant import MINUTE, SECOND, Instant
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import ObservationBatch

ENTITIES = 10_000
RULES = (2, 10, 100, 1_000)
ROUNDS = 3
BATCH = 500
START: Instant = 1_764_547_200 * SECOND  # 2025-12-01T00:00:00Z


@click.command()
@click.option("--entities", type=click.IntRange(1, 100_000), default=ENTITIES, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 20), default=ROUNDS, show_default=True)
def rules(*, entities: int, rounds: int) -> None:
    """Evaluate few and many rules over the same observations; print the cost of an observation."""
    machine = describe_machine(OUT.parent)
    found = {count: RuleCost() for count in RULES}
    print(f"{entities} entities, one observation of each a round, {rounds} rounds and one to warm up")
    runs = {count: _Run(_city(entities, count)) for count in RULES}
    for number in range(rounds + 1):
        for count, run in runs.items():
            run.round(number, found[count] if number else RuleCost())
    print(f"{'rules':>8}{'bind ms':>10}{'entity us':>11}{'alarms us':>11}{'both us':>9}{'ratio':>7}")
    least = found[RULES[0]].both_us
    for count, cost in found.items():
        print(
            f"{count:>8}{runs[count].bind_s * 1e3:>10.0f}{cost.entity_us:>11.1f}{cost.alarms_us:>11.1f}"
            f"{cost.both_us:>9.1f}{cost.both_us / least:>7.2f}"
        )
    write_results(
        "rules",
        {
            "machine": machine,
            "entities": entities,
            "rounds": rounds,
            "costs": {
                str(count): {
                    "bindMs": round(runs[count].bind_s * 1e3, 1),
                    "entityUs": round(cost.entity_us, 2),
                    "alarmsUs": round(cost.alarms_us, 2),
                }
                for count, cost in found.items()
            },
        },
    )


@dataclass(slots=True)
class RuleCost:
    """Microseconds of processor time for an observation: the minimum of the rounds."""

    entity_us: float = float("inf")
    alarms_us: float = float("inf")

    @property
    def both_us(self) -> float:
        """The cost of both stages."""
        return self.entity_us + self.alarms_us


class _Run:
    """The stages with one set of rules."""

    def __init__(self, model: CityModel) -> None:
        self._model = model
        began = time.process_time()
        bindings = RuleIndexCache()
        found, _ = bindings.of(model)
        for entity in model.entities:
            found.rules_of(entity)
        self.bind_s = time.process_time() - began
        self._entities: StreamStage[ObservationBatch] = EntityStageFactory(
            "log", 1, 4, 5 * MINUTE, bindings
        ).seeded(0, EMPTY_SEED, model)
        self._alarms: StreamStage[AlarmInputBatch] = AlarmStageFactory("log", 1, 4, bindings).seeded(
            0, EMPTY_SEED, model
        )

    def round(self, number: int, cost: RuleCost) -> None:
        """Process one observation of each sensor."""
        inputs: list[bytes] = []
        batches = list(_observations(self._model, number))
        gc.collect()
        began = time.process_time_ns()
        for batch in batches:
            applied = self._entities.apply(self._entities.offset + 1, batch, self._model)
            inputs += [one.value for one in applied.outputs if one.topic == topics.ALARM_INPUTS]
        middle = time.process_time_ns()
        for value in inputs:
            self._alarms.apply(self._alarms.offset + 1, ALARM_INPUTS.decode(value), self._model)
        ended = time.process_time_ns()
        count = sum(len(batch.observations) for batch in batches)
        cost.entity_us = min(cost.entity_us, (middle - began) / count / 1e3)
        cost.alarms_us = min(cost.alarms_us, (ended - middle) / count / 1e3)


def _observations(model: CityModel, number: int) -> Iterator[ObservationBatch]:
    dice = Random(number)
    now = START + number * MINUTE
    made = [Observation(one.id, now, now, dice.gauss(10.0, 3.0)) for one in model.datastreams.values()]
    for begin in range(0, len(made), BATCH):
        yield ObservationBatch(LAYOUT_VERSION, tuple(made[begin : begin + BATCH]), now + begin)


def _city(entities: int, rules: int) -> CityModel:
    builder = CityBuilder("city", "City").entity("city", "Municipality", "City")
    for number in range(10):
        builder.entity(f"district-{number}", "District", f"D{number}", parent="city")
    for number in range(entities):
        site = f"site-{number}"
        builder.entity(site, "MonitoringSite", f"Site {number}", parent=f"district-{number % 10}")
        builder.sensor(f"sensor-{number}", site, "pm2_5")
    made = [*_own_rules(), *(_foreign_rule(number) for number in range(rules - 2))]
    return builder.model(rules={one.id: one for one in made})


def _own_rules() -> Iterator[Rule]:
    """Yield the rules of every observed entity: a threshold and an expression."""
    select = EntitySelection(types=("MonitoringSite",))
    levels = (Level(Severity.WARNING, 15.0, 14.0), Level(Severity.MINOR, 25.0, 23.0))
    operand = Operand("pm2_5")
    yield _rule(
        "own-threshold", ThresholdCondition(operand=operand, direction="above", levels=levels), select
    )
    yield _rule(
        "own-expression",
        ExpressionCondition(source="pm2_5 > 20.0", operands=(operand,), severity=Severity.MAJOR),
        select,
    )


def _foreign_rule(number: int) -> Rule:
    """Return a rule for the same property that selects no observed entity."""
    selects = (
        EntitySelection(types=(f"Type{number}",)),
        EntitySelection(within=(f"area-{number}",)),
        EntitySelection(relation=("feeds", f"entity-{number}")),
        EntitySelection(entities=(f"entity-{number}",)),
    )
    condition = ThresholdCondition(
        operand=Operand("pm2_5"), direction="above", levels=(Level(Severity.MINOR, 25.0, 23.0),)
    )
    return _rule(f"foreign-{number}", condition, selects[number % len(selects)])


def _rule(id: str, condition: ThresholdCondition | ExpressionCondition, select: EntitySelection) -> Rule:
    return Rule(
        id=id, version=1, title=BilingualText(id, id), theme="environment", condition=condition, select=select
    )
