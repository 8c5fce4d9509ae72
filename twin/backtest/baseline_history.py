"""What was usual before history begins: the hourly means of the weeks before, from what was stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean

from twin.alarms.evaluation.baseline import WEEKS_MAX, Baseline
from twin.alarms.rules.operand import WINDOW_SIZES, OperandSeries
from twin.alarms.rules.rule_index import RuleIndex
from twin.backtest.history_chunk import HistoryChunk, HistoryNeeds, datastreams_behind
from twin.instant import DAY, HOUR, Duration
from twin.model.city_model import CityModel
from twin.state.combination import combine_values

BASELINE_PERIOD: Duration = WEEKS_MAX * 7 * DAY


def baseline_series(model: CityModel) -> list[OperandSeries]:
    """Return the series of which the rules of a model learn what is usual, in order."""
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
    """Return what of the time before must be read to know what was usual of some series."""
    needs = HistoryNeeds()
    for one in learned:
        behind = datastreams_behind(one, model)
        if behind:
            needs |= HistoryNeeds(windows=frozenset(("hour", each.id) for each in behind))
        else:
            needs |= HistoryNeeds(derived=frozenset({(one.entity, one.name)}))
    return needs


def baselines_from(
    learned: Iterable[OperandSeries], before: HistoryChunk, model: CityModel
) -> dict[OperandSeries, Baseline]:
    """Return what was usual of some series over the time before.

    The mean of an hour stands for the values measured in it, and for the shorter windows that end in it.
    """
    found: dict[OperandSeries, Baseline] = {}
    for one in learned:
        usual = found[one] = Baseline()
        for hour, mean in sorted(_hours(one, before, model).items()):
            usual.restore_hour(hour, mean, model.city.timezone)
    return found


def _hours(series: OperandSeries, before: HistoryChunk, model: CityModel) -> Mapping[int, float]:
    """Return the mean of each hour, in hours since the epoch."""
    behind = datastreams_behind(series, model)
    by_hour: defaultdict[int, list[float]] = defaultdict(list)
    if not behind:
        for time, value, _ in before.derived.get((series.entity, series.name), ()):
            by_hour[time // HOUR].append(value)
        return {hour: fmean(values) for hour, values in by_hour.items()}
    # The window of an hour speaks for its end, which lies in the next.
    later = 1 if WINDOW_SIZES[series.over] == HOUR else 0
    for each in behind:
        for one in before.windows.get(("hour", each.id), ()):
            mean = one.total if later and one.total is not None else one.mean
            if mean is not None:
                by_hour[one.start // HOUR + later].append(mean)
    combination = model.properties[series.name].combination
    return {hour: combine_values(combination, values) for hour, values in by_hour.items()}
