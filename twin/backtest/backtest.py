"""Back-test: what a rule would have raised over stored history.

The evaluator is the one that runs live; only where the points come from differs. What history cannot know:
what people did to alarms, what was set aside by an outage or by maintenance, and when nothing could be
received at all.
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
"""A rule that fires more often is wrong: to count further takes memory and tells nothing."""


class TooManyFiringsError(TwinError):
    """A rule fires so often that nobody needs to know how often exactly."""


class EntityResult(NamedTuple):
    """What a rule says of one entity."""

    entity: str
    firings: int
    active: Duration  #: for how long something was wrong, within the time asked for
    longest: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """What a rule says of a time."""

    rule: Rule
    start: Instant
    end: Instant
    entities: int  #: that the rule is for
    firings: tuple[Firing, ...]  #: that the time has part in, oldest first
    by_entity: tuple[EntityResult, ...]  #: those with firings, most active first
    statistics: AlarmStatistics
    nights: tuple[NightCalls, ...]
    errors: Mapping[str, str]  #: by entity, why the rule could not be evaluated on it


class Backtest:
    """One rule over history, stretch after stretch."""

    def __init__(self, rule: Rule, model: CityModel) -> None:
        self.rule = rule
        self._model = model
        bindings = RuleIndex(replace(model, rules={rule.id: rule}))
        bound = [one for id in sorted(model.entities) for one in bindings.rules_of(id).rules.values()]
        self._replays: list[ConditionReplay] = []
        self._listening: list[SilenceReplay] = []
        if isinstance(rule.condition, SilenceCondition | OutageCondition):
            supplies = SharedDependencies(model)
            self._listening = [SilenceReplay(one, model, supplies) for one in bound]
        else:
            self._replays = [ConditionReplay.initial(one, model) for one in bound]

    @property
    def series(self) -> frozenset[OperandSeries]:
        """The series that the rule looks at."""
        return frozenset(one for replay in self._replays for one in replay.bound.series)

    @property
    def datastreams(self) -> frozenset[int]:
        """The datastreams that the rule listens to."""
        return frozenset(id for one in self._listening for id in one.datastreams())

    @property
    def baseline_series(self) -> frozenset[OperandSeries]:
        """The series of which must be known what was usual before."""
        return frozenset(replay.bound.series[0] for replay in self._replays if replay.bound.uses_baseline)

    def set_baselines(self, usual: Mapping[OperandSeries, Baseline]) -> None:
        """Know what was usual before history begins."""
        for replay in self._replays:
            if replay.bound.uses_baseline and replay.bound.series[0] in usual:
                replay.condition_state.baseline = usual[replay.bound.series[0]].copy()

    def on_chunk(self, columns: Mapping[OperandSeries, PointColumn], stretch: HistoryChunk) -> None:
        """Take in the next stretch; raise TooManyFiringsError where the rule fires all the time."""
        for replay in self._replays:
            replay.on_columns([columns.get(one, EMPTY) for one in replay.bound.series])
        for listening in self._listening:
            listening.on_readings(stretch.readings)
        fired = sum(replay.alarm.occurrence for replay in self._replays)
        if fired > FIRINGS_MAX:
            raise TooManyFiringsError(
                f"rule {self.rule.id} fires more than {FIRINGS_MAX:,} times; raise its delays or the "
                "distance between its thresholds, or ask for a shorter time"
            )

    def result(self, start: Instant, end: Instant, least: Severity) -> BacktestResult:
        """Let time come to the end; return what there was from `start` on, nights by a least severity."""
        every: list[ConditionReplay | SilenceReplay] = [*self._replays, *self._listening]
        for one in every:
            one.end(end)
        found = [
            firing
            for one in every
            for firing in one.firings()
            if firing.raised < end and (firing.returned is None or firing.returned > start)
        ]
        found.sort(key=lambda one: (one.raised, one.alarm))
        told = sorted(
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
            statistics=statistics(told, start, end),
            nights=tuple(night_calls(told, start, end, self._model.city.timezone, least)),
            errors={one.bound.entity: one.error for one in every if one.error},
        )

    def _transitions(self, listened: list[Firing]) -> list[Transition]:
        found = [
            Transition(one.alarm, one.rule, one.kind, one.time, one.time, one.severity, one.occurrence)
            for one in chain.from_iterable(replay.events for replay in self._replays)
        ]
        if self._listening:
            for number, one in enumerate(listened):
                rest = one.severity, number
                found.append(Transition(one.alarm, self.rule.id, "raised", one.raised, one.raised, *rest))
                if one.returned is not None:
                    over = one.returned
                    found.append(Transition(one.alarm, self.rule.id, "returned", over, over, *rest))
        return found


class BacktestHistory:
    """Stored history as several back-tests look at it: what they share is read, and made points, once."""

    def __init__(self, tests: Sequence[Backtest], model: CityModel) -> None:
        self._tests = tests
        self._model = model
        self._series = SeriesHistory(frozenset().union(*(one.series for one in tests)), model)
        self._learned = frozenset().union(*(one.baseline_series for one in tests))

    @property
    def needs(self) -> HistoryNeeds:
        """What of history they look at."""
        return self._series.needs | HistoryNeeds(frozenset().union(*(one.datastreams for one in self._tests)))

    @property
    def needs_before(self) -> HistoryNeeds:
        """What of the `WEEKS_MAX` weeks before must be read, for `remember`."""
        return baseline_needs(self._learned, self._model)

    def set_baselines(self, before: HistoryChunk) -> None:
        """Let every test know what was usual before."""
        usual = baselines_from(self._learned, before, self._model)
        for one in self._tests:
            one.set_baselines(usual)

    def on_chunk(self, stretch: HistoryChunk) -> None:
        """Let every test go on over the next stretch; raises TooManyFiringsError."""
        columns = self._series.columns(stretch)
        for one in self._tests:
            one.on_chunk(columns, stretch)


def _by_entity(firings: list[Firing], start: Instant, end: Instant) -> tuple[EntityResult, ...]:
    by_entity: defaultdict[str, list[Firing]] = defaultdict(list)
    for one in firings:
        by_entity[one.entity].append(one)
    found = []
    for entity, those in by_entity.items():
        lasted = [min(one.returned or end, end) - max(one.raised, start) for one in those]
        found.append(EntityResult(entity, len(those), sum(lasted), max(lasted)))
    return tuple(sorted(found, key=lambda one: (-one.active, one.entity)))
