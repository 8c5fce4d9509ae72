"""The alarm stage on a new log: baselines are known."""

from __future__ import annotations

from stream.engine.stage_seed import EMPTY_SEED
from tests.support.cities.alarm_city import alarm_city, high_water_rule
from tests.support.pipelines.stage_pipeline import StagePipeline
from tests.unit.stream.test_alarm_stage import START, kinds, level
from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.rules.operand import Operand, OperandSeries
from twin.alarms.rules.rule import Deviation, Level, ThresholdCondition
from twin.alarms.severity import Severity
from twin.instant import HOUR, MINUTE

ODD = high_water_rule(
    id="odd",
    condition=ThresholdCondition(
        operand=Operand("water_level"),
        direction="above",
        levels=(Level(Severity.MINOR, 0.2, 0.1),),
        transform=Deviation("absolute"),
    ),
)
BEFORE = START // HOUR  # hours since the epoch


def baseline(*means: float) -> Baseline:
    """Return a baseline of the last weeks for the hour that begins with the test."""
    learned = Baseline()
    for weeks, mean in zip(range(len(means), 0, -1), means, strict=True):
        learned.restore_hour(BEFORE - weeks * 7 * 24, mean, "Europe/Amsterdam")
    return learned


def test_a_new_log_begins_with_the_baselines() -> None:
    series = OperandSeries("canal", "water_level", "instant", "value")
    seed = EMPTY_SEED._replace(baselines={series: baseline(-0.5, -0.5, -0.4)})
    rise = [level(minute, -0.5 + 0.3 * (minute == 3)) for minute in range(6)]
    alarms = {}
    for name, known in (("nothing", EMPTY_SEED), ("baseline", seed)):
        run = StagePipeline(alarm_city([ODD]), knowledge=known)
        for observation in rise:
            run.observe(observation)
        alarms[name] = [(one.alarm, one.kind, one.time) for one in run.alarms]
    assert alarms["nothing"] == [], "a baseline needs three weeks"
    assert alarms["baseline"] == [
        ("odd~canal", "raised", START + 3 * MINUTE),
        ("odd~canal", "returned", START + 4 * MINUTE),
    ]


def test_an_unusual_value_before_the_log_was_lost_raises_no_second_alarm() -> None:
    series = OperandSeries("canal", "water_level", "instant", "value")
    run = StagePipeline(
        alarm_city([ODD]), knowledge=EMPTY_SEED._replace(baselines={series: baseline(-0.5, -0.5, -0.4)})
    )
    observed = [level(0, -0.5), level(1, -0.2)]
    run.observe(*observed)
    assert kinds(run, "odd~canal") == ["raised"]
    stored = EMPTY_SEED._replace(
        observations=observed, alarms=tuple(run.alarms), baselines={series: baseline(-0.5, -0.5, -0.4)}
    )
    after = StagePipeline(alarm_city([ODD]), knowledge=stored, log="log-2")
    after.observe(level(2, -0.2))
    assert after.alarms == []
    after.observe(level(3, -0.5))
    assert [(one.kind, one.occurrence) for one in after.alarms] == [("returned", 1)]
