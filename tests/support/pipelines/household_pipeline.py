"""Households on the real stages, through late readings, restarts and lost logs; all updates are collected."""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import NamedTuple

import msgspec

from storage.stores.current_state import CurrentState
from storage.stores.state_seed import StateSeed
from stream.areas.area_stage import AreaStageFactory
from stream.engine.stage import OutputRecord, StreamStage
from stream.engine.stage_seed import stage_seed_of
from stream.entities.entity_stage import EntityStageFactory
from tests.support.cities.household_city import REGISTERS
from tests.support.pipelines.checkpoint_topic import CheckpointTopic
from twin.instant import MINUTE, Instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import (
    AREA_INPUTS,
    UPDATES,
    AreaInput,
    AreaInputBatch,
    ObservationBatch,
    Update,
    UpdateKind,
)

PROPERTY = "power_import"

# The newest observations of each datastream that seed a new log.
STORED_MAX = 20


class PublishedSum(NamedTuple):
    """A published sum, and what an attacker knows about it."""

    entity: str
    window: Instant
    value: float
    members: frozenset[int]
    estimated: bool
    reporting: frozenset[int]  #: members that had sent a reading for the window


class HouseholdPipeline:
    """The stages of one city from the first record on."""

    def __init__(self, model: CityModel) -> None:
        self.model = model
        self.published: list[PublishedSum] = []
        self.updates: list[Update] = []  #: in the order of publication, each once
        self.inputs: list[AreaInput] = []
        self.sent: defaultdict[tuple[int, Instant], set[float]] = defaultdict(set)
        self.log_starts: list[int] = [0]  #: the number of updates at the start of each log
        self._observations: defaultdict[int, dict[Instant, Observation]] = defaultdict(dict)
        self._known: dict[tuple[str, str, int], Update] = {}
        self._entities: StreamStage[ObservationBatch]
        self._areas: StreamStage[AreaInputBatch]
        self._saved: list[CheckpointTopic]
        self._begin()

    # --- events ---

    def report(self, meters: frozenset[int], window: Instant, now: Instant, number: int) -> None:
        """Send a reading of the window from each meter; it corrects an earlier reading."""
        observations = []
        for meter in sorted(meters):
            time = window + (1 + meter % 8) * MINUTE
            value = load_of(meter, window, number)
            self.sent[meter, window].add(value)
            for datastream in (meter, meter + REGISTERS):
                one = Observation(datastream, time, now, value)
                observations.append(one)
                if datastream in self.model.datastreams:
                    self._observations[datastream][time] = one
        self._apply(ObservationBatch(LAYOUT_VERSION, tuple(observations), now))

    def advance(self, now: Instant) -> None:
        """Advance the time by a record without observations."""
        self._apply(ObservationBatch(LAYOUT_VERSION, (), now))

    def checkpoint(self) -> None:
        """Write a checkpoint; a restart may also find one of the two before it."""
        self._saved.append(self._saved[-1].copy().write(self._entities.checkpoint_entries()))
        del self._saved[:-3]

    def restart(self, back: int) -> None:
        """Restart from the last checkpoint, or from one that is `back` checkpoints older, with a replay."""
        saved = self._saved[max(-len(self._saved), -1 - back)]
        if not saved.position:
            return
        found = saved.restore_stage(self._kind)
        assert found is not None
        self._entities = found
        for offset in range(found.offset + 1, len(self._log)):
            self._take(self._entities.apply(offset, self._log[offset], self.model).outputs)
        areas = self._saved_areas.write(self._areas.checkpoint_entries()).restore_stage(self._area_kind)
        assert areas is not None
        self._areas = areas

    def replace_model(self, model: CityModel, now: Instant) -> None:
        """Replace the model and write a checkpoint, so that no restart goes back before it."""
        self.model = model
        self.advance(now)
        self.checkpoint()
        del self._saved[:-1]

    def replace_log(self) -> None:
        """Lose the log and all checkpoints; continue from the database."""
        self.log_starts.append(len(self.updates))
        self._begin()

    # --- the stages ---

    def _begin(self) -> None:
        log = f"log-{len(self.log_starts)}"
        self._kind = EntityStageFactory(log, 1, 4, 5 * MINUTE)
        self._area_kind = AreaStageFactory(log, 1, 4)
        knowledge = stage_seed_of(self._stored())
        self._entities = self._kind.seeded(0, knowledge, self.model)
        self._areas = self._area_kind.seeded(0, knowledge, self.model)
        self._log: list[ObservationBatch] = []
        self._saved = [CheckpointTopic()]
        self._saved_areas = CheckpointTopic()
        self._take(self._entities.initial_outputs(knowledge, self.model))

    def _stored(self) -> StateSeed:
        newest = {
            id: [known[time] for time in sorted(known)[-STORED_MAX:]]
            for id, known in self._observations.items()
        }
        state = {(one.entity, one.property): one for one in self.updates if one.kind != UpdateKind.PERSONAL}
        revisions: dict[str, int] = {}
        for update in self.updates:
            if not update.property.startswith("area_"):
                revisions[update.entity] = max(update.revision, revisions.get(update.entity, 0))
        return StateSeed(
            sorted((one for known in newest.values() for one in known), key=lambda one: one.phenomenon_time),
            frozenset(id for id, known in newest.items() if len(known) == STORED_MAX),
            [],
            [],
            CurrentState(list(state.values()), [], revisions, {}),
        )

    def _apply(self, batch: ObservationBatch) -> None:
        self._log.append(batch)
        self._take(self._entities.apply(len(self._log) - 1, batch, self.model).outputs)

    def _take(self, outputs: list[OutputRecord]) -> None:
        waiting = list(outputs)
        for number in count():
            if number == len(waiting):
                return
            topic, _, value = waiting[number]
            if topic == "updates":
                for update in UPDATES.decode(value).updates:
                    self._note(update)
            elif topic == "area-inputs":
                batch = AREA_INPUTS.decode(value)
                self.inputs += batch.inputs
                waiting += self._areas.apply(self._areas.offset + 1, batch, self.model).outputs

    def _note(self, update: Update) -> None:
        """Record an update; assert that a replay publishes the same update again."""
        rolled_up = "area" if update.property.startswith("area_") else ""
        known = self._known.setdefault((update.entity, rolled_up, update.revision), update)
        if known is not update:
            # NaN is not equal to itself.
            assert msgspec.msgpack.encode(known) == msgspec.msgpack.encode(update)
            return
        self.updates.append(update)
        if update.kind == UpdateKind.INDICATOR and not rolled_up:
            window, members = update.phenomenon_time - HOUSEHOLD_WINDOW, frozenset(update.datastreams)
            spoke = frozenset(one for one in members if (one, window) in self.sent)
            self.published.append(
                PublishedSum(update.entity, window, update.value, members, bool(update.flags), spoke)
            )


def load_of(meter: int, window: Instant, number: int = 0) -> float:
    """Return a load in kW that no other meter or window has; `number` is that of the correction."""
    return ((meter + 1) * 7919 + window // HOUSEHOLD_WINDOW * 104_729 + number * 31) % 9_973 / 1000
