"""The state of an entity: its datastreams combined into one value for each observed property.

Everything here is a function of the *set* of observations, so any order of arrival ends in the same state;
only the revision, which counts the changes that were told, depends on the order. Of households nothing is
combined here: `twin.household_sum` publishes what may be told of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from twin.combination import Part, PropertyState, combine
from twin.datastream_state import DatastreamState
from twin.instant import Duration
from twin.judgement import Judgement
from twin.model import CityModel
from twin.observation import Observation, Outcome
from twin.sensor import Datastream


class Change(NamedTuple):
    """A property of an entity that an observation changed."""

    entity: str
    property: str
    revision: int  #: of the entity, after this change
    state: PropertyState | None  #: None for personal data: single values are not combined
    observation: Observation  #: the datastream state that changed it, calibrated and judged


class Effect(NamedTuple):
    """What one observation did."""

    outcome: Outcome
    judgements: list[Judgement]
    change: Change | None


@dataclass(slots=True)
class EntityState:
    """What is known of one entity now. Mutable, owned by one partition of one worker."""

    revision: int = 0
    datastreams: dict[int, DatastreamState] = field(default_factory=dict)

    def observe(self, observation: Observation, model: CityModel, future_max: Duration) -> Effect:
        """Take in one observation. Raises KeyError when the model does not know the datastream."""
        datastream = model.datastreams[observation.datastream]
        terms = model.terms(datastream)
        state = self.datastreams.get(datastream.id)
        if state is None:
            state = DatastreamState()
            newest = good = None
        else:
            newest, good = state.newest, state.last_good
        outcome, judgements = state.observe(observation, terms, future_max)
        if outcome is Outcome.FUTURE:
            return Effect(outcome, judgements, None)
        self.datastreams[datastream.id] = state
        now = state.newest
        # The time of reception alone is no news.
        if newest is not None and _told(newest) == _told(now) and good == state.last_good:
            return Effect(outcome, judgements, None)
        self.revision += 1
        combined = None if terms.personal else self.property_state(datastream.property, model)
        return Effect(
            outcome,
            judgements,
            Change(datastream.entity, datastream.property, self.revision, combined, now),
        )

    def reassess(self, datastream: Datastream, model: CityModel) -> Effect:
        """Judge a known datastream again by the model's present terms."""
        state = self.datastreams[datastream.id]
        terms = model.terms(datastream)
        newest, good = state.newest, state.last_good
        judgements = state.reassess(terms)
        now = state.newest
        if _told(newest) == _told(now) and good == state.last_good:
            return Effect(Outcome.DUPLICATE, judgements, None)
        self.revision += 1
        combined = None if terms.personal else self.property_state(datastream.property, model)
        change = Change(datastream.entity, datastream.property, self.revision, combined, now)
        return Effect(Outcome.CORRECTION, judgements, change)

    def property_state(self, property: str, model: CityModel) -> PropertyState | None:
        """Return the combined state of a property, or None while nothing was observed that may be combined.

        What is personal never is: `twin.household_sum` publishes it, over enough connections.
        """
        parts: list[Part] = []
        for id, state in self.datastreams.items():
            datastream = model.datastreams.get(id)
            if datastream is None or datastream.property != property:
                continue
            if not model.terms(datastream).personal:
                parts.append(Part(state.newest, state.last_good, datastream.interval))
        return combine(model.properties[property], parts) if parts else None


def _told(observation: Observation) -> tuple[int, float, int]:
    return observation.phenomenon_time, observation.value, observation.flags
