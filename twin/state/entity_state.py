"""The state of an entity: its datastreams combined into one value for each observed property.

Everything here is a function of the *set* of observations, so any order of arrival ends in the same state.
Only the revision, which counts the emitted updates, depends on the order. Verdicts of neighbouring entities
come in as inputs. Values of households are not combined here: `twin.privacy.household_sum` publishes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from twin.instant import INSTANT_MIN, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.quality.neighbour_verdict import NeighbourVerdict, effective_verdict
from twin.quality.quality_flags import DISAGREES, is_usable
from twin.state.combination import CombinationInput, PropertyState, combine, state_of_one
from twin.state.datastream_state import DatastreamState, ObservationOutcome, ObservationResult
from twin.state.preceding_history import StoredHistory
from twin.state.property_series import DatastreamSeries
from twin.wire.messages import Update, UpdateKind


def property_update(
    entity: str, property: str, revision: int, state: PropertyState | None, observation: Observation
) -> Update:
    """Return the update that an observation causes; without a combined `state` it is one of personal data."""
    if state is None:
        return Update(
            entity,
            property,
            revision,
            math.nan,
            observation.phenomenon_time,
            observation.received_time,
            observation.flags,
            (observation.datastream,),
            observation,
            UpdateKind.PERSONAL,
        )
    return Update(
        entity,
        property,
        revision,
        state.value,
        state.phenomenon_time,
        state.received_time,
        state.flags,
        state.datastreams,
        observation,
        UpdateKind.OBSERVED,
        state.last_good,
        state.deviating,
        len(state.datastreams),
    )


@dataclass(slots=True)
class EntityState:
    """The current state of one entity. Mutable, owned by one partition of one worker."""

    revision: int = 0
    datastreams: dict[int, DatastreamState] = field(default_factory=dict)
    verdicts: dict[str, dict[str, NeighbourVerdict]] = field(default_factory=dict)  #: by property and area
    #: the datastreams of each property, looked up once for each model
    _members: dict[str, list[tuple[DatastreamState, Duration]]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _members_model: CityModel | None = field(init=False, repr=False, compare=False, default=None)

    def observe(self, observation: Observation, model: CityModel, future_max: Duration) -> ObservationResult:
        """Add one observation; return the result with the update that it causes.

        Raises KeyError when the model does not know the datastream.
        """
        datastream = model.datastreams[observation.datastream]
        policy = model.policy_of(datastream)
        state = self.datastreams.get(datastream.id)
        if state is None:
            newest = last_good = None
            state = DatastreamState()
            result = state.observe(observation, policy, future_max)
            if result.outcome is ObservationOutcome.FUTURE:
                return result
            self.datastreams[datastream.id] = state
            self._members = {}
        else:
            newest, last_good = state.newest, state.last_good
            result = state.observe(observation, policy, future_max)
        # A new time of reception alone causes no update. A newer observation always does.
        if (
            result.outcome is not ObservationOutcome.ACCEPTED
            and newest is not None
            and _published_part(newest) == _published_part(state.newest)
            and last_good == state.last_good
        ):
            return result
        update = self._next_update(datastream, state, model)
        return ObservationResult(result.outcome, result.quality_results, update, result.changed_since)

    def reassess(self, datastream: Datastream, model: CityModel) -> ObservationResult:
        """Check the observations of a known datastream again, by the policy of this model.

        An entity with several sensors of a property has an update in any case: by the new policy other ones
        of them may deviate.
        """
        state = self.datastreams[datastream.id]
        newest, last_good = state.newest, state.last_good
        quality_results = state.reassess(model.policy_of(datastream))
        is_alone = len(model.datastreams_of(datastream.entity, datastream.property)) == 1
        is_same = _published_part(newest) == _published_part(state.newest) and last_good == state.last_good
        if is_alone and is_same:
            return ObservationResult(ObservationOutcome.DUPLICATE, quality_results)
        return ObservationResult(
            ObservationOutcome.CORRECTION, quality_results, self._next_update(datastream, state, model)
        )

    def adopt(
        self, history: StoredHistory, datastream: Datastream, model: CityModel
    ) -> ObservationResult | None:
        """Adopt what storage has found of the past of a datastream; None: it must be requested again."""
        state = self.datastreams[datastream.id]
        newest, last_good = state.newest, state.last_good
        result = state.adopt(history, model.policy_of(datastream))
        if result is None or (
            _published_part(newest) == _published_part(state.newest) and last_good == state.last_good
        ):
            return result
        return result._replace(update=self._next_update(datastream, state, model))

    def _next_update(self, datastream: Datastream, state: DatastreamState, model: CityModel) -> Update:
        self.revision += 1
        is_personal = model.policy_of(datastream).personal
        combined = None if is_personal else self.property_state(datastream.property, model)
        return property_update(datastream.entity, datastream.property, self.revision, combined, state.newest)

    def on_verdict(self, verdict: NeighbourVerdict, model: CityModel) -> Update | None:
        """Apply a verdict of neighbours; return the update that it causes. Ignore an older or known one."""
        by_area = self.verdicts.setdefault(verdict.property, {})
        known = by_area.get(verdict.area)
        if known is not None and verdict.revision <= known.revision:
            return None
        before = self.property_state(verdict.property, model)
        by_area[verdict.area] = verdict
        state = self.property_state(verdict.property, model)
        if state is None or state == before:
            return None
        self.revision += 1
        newest = max(
            (self.datastreams[id].newest for id in state.datastreams), key=lambda one: one.phenomenon_time
        )
        return property_update(verdict.entity, verdict.property, self.revision, state, newest)

    def property_state(self, property: str, model: CityModel) -> PropertyState | None:
        """Return the combined state of a property; None without an observation that may be combined.

        Personal values never are: `twin.privacy.household_sum` publishes sums of enough connections. A value
        that neighbours have outvoted is suspect.
        """
        members = self._members_of(property, model)
        if not members:
            return None
        if len(members) == 1:
            state, _ = members[0]
            combined = state_of_one(state.newest, state.last_good)
        else:
            parts = [CombinationInput(state.newest, state.last_good, interval) for state, interval in members]
            combined = combine(model.properties[property], parts)
        verdicts = self.verdicts.get(property)
        if not verdicts or not is_usable(combined.flags):
            return combined
        verdict = effective_verdict(verdicts.values(), model)
        if verdict is None:
            return combined
        flags = combined.flags | DISAGREES
        return combined._replace(flags=flags, last_good=verdict.last_good)

    def observed_series(self, property: str, model: CityModel) -> dict[int, DatastreamSeries]:
        """Return the observations in memory of each datastream that may be combined to a property."""
        return {
            state.newest.datastream: (state.assessed, interval)
            for state, interval in self._members_of(property, model)
        }

    def complete_from(self, property: str, model: CityModel) -> Instant:
        """Return the time from which all observations of a property are in memory."""
        return max(
            (state.complete_from for state, _ in self._members_of(property, model)), default=INSTANT_MIN
        )

    def _members_of(self, property: str, model: CityModel) -> list[tuple[DatastreamState, Duration]]:
        """Return the datastreams of a property that may be combined, with their intervals."""
        if self._members_model is not model:
            self._members_model, self._members = model, {}
        members = self._members.get(property)
        if members is None:
            members = self._members[property] = [
                (state, datastream.interval)
                for id, state in self.datastreams.items()
                if (datastream := model.datastreams.get(id)) is not None
                and datastream.property == property
                and not model.policy_of(datastream).personal
            ]
        return members


def _published_part(observation: Observation) -> tuple[int, float, int]:
    return observation.phenomenon_time, observation.value, observation.flags
