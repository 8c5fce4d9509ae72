"""Invariants of the order of arrival: what follows from observations follows from their set.

The truth is a run with the same observations in the order of their measurement, one log partition, no crash,
no restart and no change of the model. Left out are the sums of households, whose publication must not depend
on late data (`twin.privacy`), and rules about silence, which are about reception.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from runtime.kafka import topics
from stream.engine.stage_seed import EMPTY_SEED
from tests.simulation.invariants.observations import CheckedObservations, FinalState
from tests.simulation.oracles import property_oracle, series_oracle
from tests.simulation.oracles.series_oracle import ExpectedPoint
from tests.simulation.scenario import Scenario
from tests.simulation.system.model_database import ModelDatabase
from tests.simulation.system.model_history import history_chunk
from tests.simulation.system.settling import settle
from tests.simulation.system.simulated_log import SimulatedLog
from tests.simulation.system.simulated_stream import SimulatedStream
from tests.support.payloads.observation_records import encode_observations
from twin.alarms.rules.rule import OutageCondition, SilenceCondition
from twin.alarms.severity import Severity
from twin.backtest.backtest import Backtest, BacktestHistory
from twin.backtest.firing import Firing, firings_of
from twin.indicators.registry import REGISTRY
from twin.instant import DAY, HOUR, MINUTE, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX
from twin.quality.quality_flags import is_usable
from twin.wire.messages import Update, UpdateKind

SeriesKey = tuple[str, str, Instant]
"""Entity, name, phenomenon time."""

Episode = tuple[str, Instant, Instant | None, int]
"""Alarm, when it was raised and returned, the worst severity."""


TRUTH_BATCH = 8
"""So many observations of the truth come at once."""

OrderInvariant = Callable[[FinalState, ModelDatabase], Iterator[str]]
"""An invariant of the final state, beside what the truth stores."""


def history_in_order(ending: FinalState, scenario: Scenario, last_ticks: Sequence[Duration]) -> ModelDatabase:
    """Return what is stored when the observations of a run arrive in the order of their measurement."""
    log, database = SimulatedLog(0, 1), ModelDatabase()
    stream = SimulatedStream(scenario.dice("in order"), log, 1, lambda: ending.model, lambda: EMPTY_SEED)
    found = [one for ones in property_oracle.surviving_observations(ending.logged).values() for one in ones]
    found.sort(key=lambda one: (one.phenomenon_time, one.datastream))
    now = 0
    for ones in batched(found, TRUTH_BATCH, strict=False):
        now = max(now, ones[-1].phenomenon_time)
        log.append(topics.OBSERVATIONS, 0, encode_observations(ones, now))
        stream.drain()

    def pass_time(duration: Duration) -> Instant:
        nonlocal now
        if duration:
            now += duration
            log.append(topics.OBSERVATIONS, 0, encode_observations((), now))
        return now

    for step in (MINUTE, *last_ticks):
        pass_time(step)
        stream.drain()
    settle(database, ending.model, stream, log, pass_time)
    return database


def verdicts_match_truth(ending: FinalState, truth: ModelDatabase) -> Iterator[str]:
    """Every observation has the flags of the truth."""
    yield from _differences("verdict on", _verdicts(ending.database), _verdicts(truth))


def series_of_entities_match_truth(ending: FinalState, truth: ModelDatabase) -> Iterator[str]:
    """Indicators and running means have the same points."""
    found, expected = _series(ending.database, ending.model), _series(truth, ending.model)
    yield from _differences("point", _entities(found), _entities(expected))


def series_of_areas_match_truth(ending: FinalState, truth: ModelDatabase) -> Iterator[str]:
    """Values of areas have the same points, with the same members."""
    found, expected = _series(ending.database, ending.model), _series(truth, ending.model)
    yield from _differences("point of an area", _areas(found), _areas(expected))


def derived_series_match_oracle(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """Indicators and running means have the points that follow from the set of observations."""
    expected = series_oracle.expected_series(judged, ending.model)
    entities = {entity for entity, _, _ in expected}
    found = {
        key: ExpectedPoint(update.value, update.flags)
        for key, update in ending.database.entity_values.items()
        if key[0] in entities and key[1] in REGISTRY and not math.isnan(update.value)
    }
    yield from _differences("point, by the oracle,", found, expected)


def derived_states_match_truth(ending: FinalState, truth: ModelDatabase) -> Iterator[str]:
    """The newest value of each indicator, running mean and area is that of the truth.

    Left out is the last good value of an area of which all members have failed since.
    """
    databases = ending.database, truth
    found, expected = (_states(one, ending.model, failed_areas=False) for one in databases)
    yield from _differences("state of", found, expected)


def states_of_failed_areas_match_truth(ending: FinalState, truth: ModelDatabase) -> Iterator[str]:
    """The last good value of an area of which all members have failed since is that of the truth."""
    databases = ending.database, truth
    found, expected = (_states(one, ending.model, failed_areas=True) for one in databases)
    yield from _differences("state of", found, expected)


def alarm_episodes_match_truth(ending: FinalState, truth: ModelDatabase) -> Iterator[str]:
    """Every alarm has the same episodes."""
    found = Counter(_episodes(ending.database, ending.model))
    expected = Counter(_episodes(truth, ending.model))
    yield from _differences("alarm episode", found, expected)


def backtests_match_truth(ending: FinalState, truth: ModelDatabase) -> Iterator[str]:
    """A back-test over the stored history finds the episodes of the truth's history."""
    found = Counter(_backtested(ending.database, ending.model, ending.now))
    expected = Counter(_backtested(truth, ending.model, ending.now))
    yield from _differences("back-test", found, expected)


def alarm_episodes_match_backtests(ending: FinalState, truth: ModelDatabase) -> Iterator[str]:
    """The alarms that were raised live are those that a back-test over the stored history finds."""
    found = Counter(_episodes(ending.database, ending.model))
    expected = Counter(_backtested(ending.database, ending.model, ending.now))
    yield from _differences("live episode, of the back-test", found, expected)


def _differences(what: str, found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> Iterator[str]:
    for key in sorted(found.keys() | expected.keys(), key=str):
        if not _same(found.get(key), expected.get(key)):
            yield f"{what} {key}: {found.get(key)}, expected {expected.get(key)}"


def _same(one: object, other: object) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def _verdicts(database: ModelDatabase) -> dict[tuple[int, Instant], int]:
    """Return the flags of the device and of the check, by observation."""
    return {
        key: observation.flags | (database.assessments[key].flags if key in database.assessments else 0)
        for key, observation in database.observations.items()
    }


def _series(database: ModelDatabase, model: CityModel) -> dict[SeriesKey, object]:
    return {
        key: _content(update)
        for key, update in database.entity_values.items()
        if not math.isnan(update.value) and not _is_of_households(key[0], key[1], model)
    }


def _entities(series: Mapping[SeriesKey, object]) -> dict[SeriesKey, object]:
    return {key: point for key, point in series.items() if not key[1].startswith(AREA_PREFIX)}


def _areas(series: Mapping[SeriesKey, object]) -> dict[SeriesKey, object]:
    return {key: point for key, point in series.items() if key[1].startswith(AREA_PREFIX)}


def _states(
    database: ModelDatabase, model: CityModel, *, failed_areas: bool
) -> dict[tuple[str, str], object]:
    """Return the newest derived values; on demand also those of areas of which all members have failed."""
    return {
        key: (update.phenomenon_time, *_content(update))
        for key, update in database.updates.items()
        if update.kind is UpdateKind.INDICATOR
        and not _is_of_households(*key, model)
        and not math.isnan(update.value)  # withdrawn
        and (failed_areas or update.members or is_usable(update.flags) or not key[1].startswith(AREA_PREFIX))
    }


def _content(update: Update) -> tuple[object, ...]:
    members = getattr(update, "members", 0), getattr(update, "members_expected", 0)
    return update.value, update.flags, update.count, *members


def _is_of_households(entity: str, name: str, model: CityModel) -> bool:
    base = name.removeprefix(AREA_PREFIX)
    return base in model.properties and any(
        model.policy_of(datastream).personal
        for id in model.within(entity)
        for datastream in model.datastreams_of(id, base)
    )


def _listens(rule: str, model: CityModel) -> bool:
    return isinstance(model.rules[rule].condition, SilenceCondition | OutageCondition)


def _episodes(database: ModelDatabase, model: CityModel) -> Iterator[Episode]:
    events = [database.alarm_events[key] for key in sorted(database.alarm_events)]
    yield from map(_episode, firings_of(one for one in events if not _listens(one.rule, model)))


def _backtested(database: ModelDatabase, model: CityModel, end: Instant) -> Iterator[Episode]:
    if not database.observations:
        return
    start = min(time for _, time in database.observations) // HOUR * HOUR
    for rule in model.rules.values():
        if _listens(rule.id, model):
            continue
        test = Backtest(rule, model)
        history = BacktestHistory([test], model)
        history.on_chunk(history_chunk(database, model, start, end + DAY, history.needs))
        yield from map(_episode, test.result(start, end + DAY, Severity.MINOR).firings)


def _episode(firing: Firing) -> Episode:
    return firing.alarm, firing.raised, firing.returned, int(firing.severity)
