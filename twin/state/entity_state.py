"""The state of an entity: its datastreams combined into one value for each observed property.

Everything here is a function of the *set* of observations, so any order of arrival ends in the same state;
only the revision, which counts the changes that were told, depends on the order. What neighbours say comes
in as verdicts. Of households nothing is combined here: `twin.privacy.household_sum` publishes what may be
told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from twin.instant import Duration
from twin.model.city_model import CityModel
from twin.model.datastream_policy import DatastreamPolicy
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.quality.neighbour_verdict import NeighbourVerdict, effective_verdict
from twin.quality.quality_check import QualityResult
from twin.quality.quality_flags import QualityFlag, is_usable
from twin.state.combination import CombinationInput, PropertyState, combine
from twin.state.datastream_state import DatastreamState, ObservationOutcome


class PropertyChange(NamedTuple):
    """A property of an entity that an observation changed."""

    entity: str
    property: str
    revision: int  #: of the entity, after this change
    state: PropertyState | None  #: None for personal data: single values are not combined
    observation: Observation  #: the datastream state that changed it, calibrated and judged


class EntityEffect(NamedTuple):
    """What one observation did."""

    outcome: ObservationOutcome
    quality_results: list[QualityResult]
    change: PropertyChange | None


@dataclass(slots=True)
class EntityState:
    """What is known of one entity now. Mutable, owned by one partition of one worker."""

    revision: int = 0
    datastreams: dict[int, DatastreamState] = field(default_factory=dict)
    verdicts: dict[str, dict[str, NeighbourVerdict]] = field(default_factory=dict)  #: by property and area
    #: the datastreams of each property, looked up once for each model
    _members: dict[str, list[tuple[DatastreamState, Duration]]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _members_model: CityModel | None = field(init=False, repr=False, compare=False, default=None)

    def observe(self, observation: Observation, model: CityModel, future_max: Duration) -> EntityEffect:
        """Take in one observation. Raises KeyError when the model does not know the datastream."""
        datastream = model.datastreams[observation.datastream]
        terms = model.policy_of(datastream)
        state = self.datastreams.get(datastream.id)
        if state is None:
            newest = good = None
            state = DatastreamState()
            outcome, judgements = state.observe(observation, terms, future_max)
            if outcome is ObservationOutcome.FUTURE:
                return EntityEffect(outcome, judgements, None)
            self.datastreams[datastream.id] = state
            self._members = {}
        else:
            newest, good = state.newest, state.last_good
            outcome, judgements = state.observe(observation, terms, future_max)
        # The time of reception alone is no news. What is newer always is.
        if (
            outcome is not ObservationOutcome.ACCEPTED
            and newest is not None
            and _told(newest) == _told(state.newest)
            and good == state.last_good
        ):
            return EntityEffect(outcome, judgements, None)
        return EntityEffect(outcome, judgements, self._changed(datastream, state, terms, model))

    def _changed(
        self, datastream: Datastream, state: DatastreamState, terms: DatastreamPolicy, model: CityModel
    ) -> PropertyChange:
        self.revision += 1
        combined = None if terms.personal else self.property_state(datastream.property, model)
        return PropertyChange(datastream.entity, datastream.property, self.revision, combined, state.newest)

    def reassess(self, datastream: Datastream, model: CityModel) -> EntityEffect:
        """Judge a known datastream again by the model's present terms."""
        state = self.datastreams[datastream.id]
        terms = model.policy_of(datastream)
        newest, good = state.newest, state.last_good
        judgements = state.reassess(terms)
        if _told(newest) == _told(state.newest) and good == state.last_good:
            return EntityEffect(ObservationOutcome.DUPLICATE, judgements, None)
        return EntityEffect(
            ObservationOutcome.CORRECTION, judgements, self._changed(datastream, state, terms, model)
        )

    def on_verdict(self, verdict: NeighbourVerdict, model: CityModel) -> PropertyChange | None:
        """Take in a verdict of neighbours; return what it changed. One that is known changes nothing."""
        of_property = self.verdicts.setdefault(verdict.property, {})
        known = of_property.get(verdict.area)
        if known is not None and verdict.revision <= known.revision:
            return None
        before = self.property_state(verdict.property, model)
        of_property[verdict.area] = verdict
        state = self.property_state(verdict.property, model)
        if state is None or state == before:
            return None
        self.revision += 1
        newest = max(
            (self.datastreams[id].newest for id in state.datastreams), key=lambda one: one.phenomenon_time
        )
        return PropertyChange(verdict.entity, verdict.property, self.revision, state, newest)

    def property_state(self, property: str, model: CityModel) -> PropertyState | None:
        """Return the combined state of a property, or None while nothing was observed that may be combined.

        What is personal never is: `twin.privacy.household_sum` publishes it, over enough connections. One
        that neighbours have outvoted is suspect.
        """
        members = self._members_of(property, model)
        if not members:
            return None
        combined = combine(
            model.properties[property],
            [CombinationInput(state.newest, state.last_good, interval) for state, interval in members],
        )
        verdicts = self.verdicts.get(property)
        if not verdicts or not is_usable(combined.flags):
            return combined
        verdict = effective_verdict(verdicts.values(), model)
        if verdict is None:
            return combined
        flags = combined.flags | int(QualityFlag.DISAGREES)
        return combined._replace(flags=flags, last_good=verdict.last_good)

    def _members_of(self, property: str, model: CityModel) -> list[tuple[DatastreamState, Duration]]:
        """Return the datastreams of a property that may be combined, with their intervals."""
        if self._members_model is not model:
            self._members_model, self._members = model, {}
        found = self._members.get(property)
        if found is None:
            found = self._members[property] = [
                (state, datastream.interval)
                for id, state in self.datastreams.items()
                if (datastream := model.datastreams.get(id)) is not None
                and datastream.property == property
                and not model.policy_of(datastream).personal
            ]
        return found


def _told(observation: Observation) -> tuple[int, float, int]:
    return observation.phenomenon_time, observation.value, observation.flags
