"""Baselines before history begins: from the stored hourly means of the weeks before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from types import MappingProxyType

from twin.alarms.evaluation.baseline import WEEKS_MAX, Baseline
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries
from twin.alarms.rules.rule_index import RuleIndex
from twin.backtest.history_chunk import HistoryChunk, HistoryNeeds, datastreams_of_series
from twin.instant import DAY, HOUR, INSTANT_MAX, Duration, Instant
from twin.model.city_model import CityModel
from twin.state.combination import combine_values

BASELINE_PERIOD: Duration = WEEKS_MAX * 7 * DAY


def baseline_series(model: CityModel) -> list[OperandSeries]:
    """Return the series for which the rules of a model learn a baseline, sorted."""
    bindings = RuleIndex(model)
    return sorted(
        {
            bound.series[0]
            for entity in model.entities
            for bound in bindings.rules_of(entity).rules.values()
            if bound.uses_baseline
        }
    )


def baseline_needs(learned: Iterable[OperandSeries], model: CityModel) -> HistoryNeeds:
    """Return the parts of the time before that the baselines of some series need."""
    needs = HistoryNeeds()
    for series in learned:
        datastreams = datastreams_of_series(series, model)
        if datastreams:
            needs |= HistoryNeeds(windows=frozenset(("hour", each.id) for each in datastreams))
        else:
            needs |= HistoryNeeds(derived=frozenset({(series.entity, series.name)}))
    return needs


def baselines_from(
    baseline_series: Iterable[OperandSeries],
    before: HistoryChunk,
    model: CityModel,
    ends: Mapping[OperandSeries, Instant] = MappingProxyType({}),
) -> dict[OperandSeries, Baseline]:
    """Return the baselines of some series at the end of the time before, or at an earlier end of their own.

    The mean of an hour stands for the values measured in it, and for the shorter windows that end in it.
    """
    found: dict[OperandSeries, Baseline] = {}
    for series in baseline_series:
        baseline = found[series] = Baseline()
        end = ends.get(series, INSTANT_MAX)
        for hour, mean in sorted(_hours(series, before, model).items()):
            if (hour + 1) * HOUR <= end:
                baseline.restore_hour(hour, mean, model.city.timezone)
    return found


def _hours(series: OperandSeries, before: HistoryChunk, model: CityModel) -> Mapping[int, float]:
    """Return the mean of each hour, by hours since the epoch."""
    datastreams = datastreams_of_series(series, model)
    by_hour: defaultdict[int, list[float]] = defaultdict(list)
    if not datastreams:
        for time, value, _ in before.derived.get((series.entity, series.name), ()):
            by_hour[time // HOUR].append(value)
        return {hour: fmean(values) for hour, values in by_hour.items()}
    # The time of an hour's window is its end, which lies in the next hour.
    shift = 1 if WINDOW_SIZES[series.over] == HOUR else 0
    for datastream in datastreams:
        for aggregate in before.windows.get(("hour", datastream.id), ()):
            mean = aggregate.total if shift and aggregate.total is not None else aggregate.mean
            if mean is not None:
                by_hour[aggregate.start // HOUR + shift].append(mean)
    combination = model.properties[series.name].combination
    return {hour: combine_values(combination, values) for hour, values in by_hour.items()}
