"""Back-tests: the alarms that a rule would have raised over stored history.

The evaluator is the one that runs live; only the source of the points differs. History does not contain what
people did to alarms, suppression by an outage or by maintenance, and the times at which the system could not
receive anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.evaluation.shared_dependency import SharedDependencies
from twin.alarms.rules.operand import OperandSeries
from twin.alarms.rules.rule import OutageCondition, Rule, SilenceCondition
from twin.alarms.rules.rule_index import RuleIndex
from twin.alarms.severity import Severity
from twin.alarms.statistics import AlarmStatistics, Transition, statistics
from twin.backtest.baseline_history import baseline_needs, baselines_from
from twin.backtest.condition_history import WARM_UP, warm_up
from twin.backtest.condition_replay import ConditionReplay
from twin.backtest.firing import Firing
from twin.backtest.history_chunk import HistoryChunk, HistoryNeeds, SeriesHistory
from twin.backtest.night_calls import NightCalls, night_calls
from twin.backtest.point_column import EMPTY, PointColumn
from twin.backtest.silence_replay import SilenceReplay
from twin.errors import TwinError
from twin.instant import Duration, Instant
from twin.model.city_model import CityModel

FIRINGS_MAX = 100_000
"""A rule that fires more often is wrong, and counting further takes memory."""


class TooManyFiringsError(TwinError):
    """A rule fires more than `FIRINGS_MAX` times."""


class EntityResult(NamedTuple):
    """The result of a rule on one entity."""

    entity: str
    firings: int
    active: Duration  #: duration of the firings within the requested time
    longest: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """The result of a rule over a time span."""

    rule: Rule
    start: Instant
    end: Instant
    entities: int  #: number of entities that the rule is for
    firings: tuple[Firing, ...]  #: those that overlap the time span, oldest first
    by_entity: tuple[EntityResult, ...]  #: entities with firings, the most active first
    statistics: AlarmStatistics
    nights: tuple[NightCalls, ...]
    errors: Mapping[str, str]  #: by entity, why the rule could not be evaluated there


class Backtest:
    """One rule over history, chunk after chunk."""

    def __init__(self, rule: Rule, model: CityModel, firings_max: int = FIRINGS_MAX) -> None:
        self.rule = rule
        self._firings_max = firings_max
        self._model = model
        rule_index = RuleIndex(replace(model, rules={rule.id: rule}))
        bound = [one for id in sorted(model.entities) for one in rule_index.rules_of(id).rules.values()]
        self._replays: list[ConditionReplay] = []
        self._silences: list[SilenceReplay] = []
        if isinstance(rule.condition, SilenceCondition | OutageCondition):
            dependencies = SharedDependencies(model)
            self._silences = [SilenceReplay(one, model, dependencies) for one in bound]
        else:
            self._replays = [ConditionReplay.initial(one, model) for one in bound]

    @property
    def series(self) -> frozenset[OperandSeries]:
        """The series that the rule looks at."""
        return frozenset(one for replay in self._replays for one in replay.bound.series)

    @property
    def datastreams(self) -> frozenset[int]:
        """The datastreams that the rule monitors for silence."""
        return frozenset(id for one in self._silences for id in one.datastreams())

    @property
    def warm_up(self) -> Duration:
        """How long before its start the rule must be evaluated to have its live state there."""
        return max((warm_up(replay.bound, self._model) for replay in self._replays), default=WARM_UP)

    @property
    def baseline_series(self) -> frozenset[OperandSeries]:
        """The series whose baseline must be known at the start of history."""
        return frozenset(replay.bound.series[0] for replay in self._replays if replay.bound.uses_baseline)

    def set_baselines(self, baselines: Mapping[OperandSeries, Baseline]) -> None:
        """Set the baselines as they were before history begins."""
        for replay in self._replays:
            if replay.bound.uses_baseline and replay.bound.series[0] in baselines:
                replay.condition_state.baseline = baselines[replay.bound.series[0]].copy()

    def on_chunk(self, columns: Mapping[OperandSeries, PointColumn], chunk: HistoryChunk) -> None:
        """Evaluate the next chunk. Raises TooManyFiringsError if the rule fires too often."""
        for replay in self._replays:
            replay.on_columns([columns.get(one, EMPTY) for one in replay.bound.series])
        for silences in self._silences:
            silences.on_readings(chunk.readings)
        fired = sum(replay.alarm.occurrence for replay in self._replays)
        if fired > self._firings_max:
            raise TooManyFiringsError(
                f"rule {self.rule.id} fires more than {self._firings_max:,} times; raise its delays or the "
                "distance between its thresholds, or ask for a shorter time"
            )

    def result(self, start: Instant, end: Instant, least: Severity) -> BacktestResult:
        """Advance to the end; return the result from `start` on, with nights by a least severity."""
        every: list[ConditionReplay | SilenceReplay] = [*self._replays, *self._silences]
        for replay in every:
            replay.end(end)
        found = [
            firing
            for replay in every
            for firing in replay.firings()
            if firing.raised < end and (firing.returned is None or firing.returned > start)
        ]
        found.sort(key=lambda one: (one.raised, one.alarm))
        transitions = sorted(
            (one for one in self._transitions(found) if start <= one.told_time < end),
            key=lambda one: (one.told_time, one.alarm, one.occurrence),
        )
        return BacktestResult(
            rule=self.rule,
            start=start,
            end=end,
            entities=len(every),
            firings=tuple(found),
            by_entity=_by_entity(found, start, end),
            statistics=statistics(transitions, start, end),
            nights=tuple(night_calls(transitions, start, end, self._model.city.timezone, least)),
            errors={replay.bound.entity: replay.error for replay in every if replay.error},
        )

    def _transitions(self, firings: list[Firing]) -> list[Transition]:
        found = [
            Transition(
                firing.alarm,
                firing.rule,
                firing.kind,
                firing.time,
                firing.time,
                firing.severity,
                firing.occurrence,
            )
            for firing in chain.from_iterable(replay.events for replay in self._replays)
        ]
        if self._silences:
            for number, firing in enumerate(firings):
                severity_and_number = firing.severity, number
                found.append(
                    Transition(
                        firing.alarm,
                        self.rule.id,
                        "raised",
                        firing.raised,
                        firing.raised,
                        *severity_and_number,
                    )
                )
                if firing.returned is not None:
                    returned = firing.returned
                    found.append(
                        Transition(
                            firing.alarm, self.rule.id, "returned", returned, returned, *severity_and_number
                        )
                    )
        return found


class BacktestHistory:
    """Stored history for several back-tests: shared series are read, and converted to points, once."""

    def __init__(self, tests: Sequence[Backtest], model: CityModel) -> None:
        self._tests = tests
        self._model = model
        self._series = SeriesHistory(frozenset().union(*(one.series for one in tests)), model)
        self._baseline_series = frozenset().union(*(one.baseline_series for one in tests))

    @property
    def needs(self) -> HistoryNeeds:
        """The parts of history that the back-tests look at."""
        return self._series.needs | HistoryNeeds(frozenset().union(*(one.datastreams for one in self._tests)))

    @property
    def needs_before(self) -> HistoryNeeds:
        """The parts of the `WEEKS_MAX` weeks before that `set_baselines` needs."""
        return baseline_needs(self._baseline_series, self._model)

    def set_baselines(self, before: HistoryChunk) -> None:
        """Set the baselines of every back-test."""
        baselines = baselines_from(self._baseline_series, before, self._model)
        for test in self._tests:
            test.set_baselines(baselines)

    def on_chunk(self, chunk: HistoryChunk) -> None:
        """Evaluate the next chunk in every back-test. Raises TooManyFiringsError."""
        columns = self._series.columns(chunk)
        for test in self._tests:
            test.on_chunk(columns, chunk)


def _by_entity(firings: list[Firing], start: Instant, end: Instant) -> tuple[EntityResult, ...]:
    by_entity: defaultdict[str, list[Firing]] = defaultdict(list)
    for firing in firings:
        by_entity[firing.entity].append(firing)
    found = []
    for entity, of_entity in by_entity.items():
        durations = [min(firing.returned or end, end) - max(firing.raised, start) for firing in of_entity]
        found.append(EntityResult(entity, len(of_entity), sum(durations), max(durations)))
    return tuple(sorted(found, key=lambda firing: (-firing.active, firing.entity)))
