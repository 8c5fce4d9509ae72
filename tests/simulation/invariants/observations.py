"""Invariants of observations, windows and states after everything was delivered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.simulation.oracles import neighbour_oracle, property_oracle
from tests.simulation.oracles.property_oracle import ExpectedWindow
from tests.simulation.system.model_database import ModelDatabase
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.quality_flags import TIME_FLAGS, QualityFlag
from twin.state.window import Aggregate


@dataclass(frozen=True, slots=True)
class FinalState:
    """The final state of a run."""

    model: CityModel
    database: ModelDatabase
    logged: list[Observation]  #: all observations that ingest wrote to the log, in order, with duplicates
    received: int  #: number of received messages on the log
    #: the plausible values that devices sent, by (datastream, phenomenon time)
    sent: dict[tuple[int, Instant], set[float]]
    now: Instant

    def checked(self) -> dict[int, list[Observation]]:
        """Return the observations with the oracle's calibration and flags, by datastream."""
        return {
            id: property_oracle.checked_observations(found, self.model.datastreams[id], self.model)
            for id, found in property_oracle.surviving_observations(self.logged).items()
        }


CheckedObservations = dict[int, list[Observation]]


def observations_match_what_was_sent(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """Each plausible observation that was sent is stored once, in its last received version."""
    stored = ending.database.observations
    expected = {
        observation[:2]: observation
        for found in property_oracle.surviving_observations(ending.logged).values()
        for observation in found
    }
    for key in expected.keys() | stored.keys():
        if expected.get(key) != stored.get(key):
            yield f"observation {key}: stored {stored.get(key)}, expected {expected.get(key)}"
    for key, values in ending.sent.items():
        if key not in stored or stored[key].value not in values:
            yield f"observation {key}: stored {stored.get(key)}, sent {sorted(values)}"


def ledger_balances(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """The ledger balances, and its counts are those of the run."""
    ledger = ending.database.ledger
    if not ledger.balances:
        yield f"ledger: {ledger} does not balance"
    if ledger.received != ending.received:
        yield f"ledger: {ledger.received} messages, received were {ending.received}"
    if ledger.observations != len(ending.logged) or ledger.new != len(ending.database.observations):
        yield f"ledger: {ledger}; written {len(ending.logged)}, stored {len(ending.database.observations)}"


def quality_flags_match_oracle(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """The flags of each observation follow from earlier measurements, in any order of arrival."""
    for id, found in judged.items():
        for observation in found:
            sent = ending.database.observations.get(observation[:2])
            if sent is None:
                continue
            assessment = ending.database.assessments.get(observation[:2])
            flags = sent.flags | (assessment.flags if assessment is not None else 0)
            expected = observation.flags & ~TIME_FLAGS
            if flags != expected:
                name = ending.model.datastreams[id].property
                yield f"judgement of {name} {observation[:2]}: {flags}, expected {expected}"


def windows_match_oracle(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """Every window with observations is published with their aggregates."""
    expected = {
        (size, id, start): window
        for id, found in judged.items()
        for (size, start), window in property_oracle.expected_windows(
            found, ending.model.datastreams[id], ending.model
        ).items()
    }
    stored = ending.database.aggregates
    for key in sorted(expected.keys() | stored.keys()):
        if key not in expected:
            yield f"window {key}: no observation lies in it, published is {stored[key]}"
            continue
        name = ending.model.datastreams[key[1]].property
        if key not in stored:
            yield f"window {key} of {name}: not published, expected {expected[key]}"
        elif not _equal(_shown(stored[key]), expected[key]):
            yield f"window {key} of {name}: published {_shown(stored[key])}, expected {expected[key]}"


def _shown(one: Aggregate) -> ExpectedWindow:
    return ExpectedWindow(
        one.count, one.suspect, one.flags, one.minimum, one.maximum, one.mean, one.total, one.first, one.last
    )


def _equal(one: ExpectedWindow, other: ExpectedWindow) -> bool:
    return all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6))
        for a, b in zip(one, other, strict=True)
    )


def states_match_oracle(ending: FinalState, judged: CheckedObservations) -> Iterator[str]:
    """The state of each datastream and property follows from the set of all observations."""
    model, database = ending.model, ending.database
    for id, found in judged.items():
        state = database.states.get(id)
        stored = state.observation if state is not None else None
        if stored is None or stored[:2] != found[-1][:2] or stored[3:] != found[-1][3:]:
            yield f"state of datastream {id}: stored {state}, expected {found[-1]}"
    places = {(one.entity, one.property) for one in model.datastreams.values()}
    outvoted = neighbour_oracle.disagreeing_values(judged, model)
    for entity, property in sorted(places):
        update = database.updates.get((entity, property))
        datastreams = model.datastreams_of(entity, property)
        if any(model.policy_of(one).personal for one in datastreams):
            continue
        expected = property_oracle.expected_property_state(datastreams, judged, model)
        if expected is None or update is None:
            if expected is not None or update is not None:
                yield f"state of {entity} {property}: published {update}, expected {expected}"
            continue
        names = ["value", "phenomenon_time", "flags", "datastreams", "deviating"]
        if (entity, property) in outvoted:
            expected = expected._replace(flags=expected.flags | QualityFlag.DISAGREES)
        else:
            # Of a value that disagrees, the last good value is the one before its neighbours were compared.
            names.append("last_good")
        for name in names:
            if getattr(update, name) != getattr(expected, name):
                yield (
                    f"state of {entity} {property}: {name} is {getattr(update, name)}, "
                    f"expected {getattr(expected, name)}"
                )


Invariant = Callable[[FinalState, CheckedObservations], Iterator[str]]
