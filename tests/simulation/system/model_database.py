"""The database in memory: plain Python with the same effects as the historian's SQL.

tests/integration/storage/historian/test_model_database.py compares it with the real SQL.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from runtime.kafka import topics
from storage.historian.log_batch import LogBatch, LogRecord, RepairRequest
from storage.maintenance.changed_series import FEEDBACK_SPAN
from storage.stores.current_state import CurrentState
from storage.stores.ledger_counts import OutcomeCounts
from storage.stores.log_positions import UPDATE_PROGRESS
from storage.stores.state_seed import SEED_HOURS_MAX, SEED_TEN_MINUTES_MAX, StateSeed
from tests.simulation.system.simulated_log import SimulatedLog
from tests.support.database.memory_history import MemoryHistory, completed
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.instant import HOUR, INSTANT_MIN, MINUTE, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.datastream_policy import window_sizes_for
from twin.model.observation import Observation, order_of_knowledge
from twin.quality.quality_check import CONTEXT_MAX
from twin.state.datastream_history import read_stored_history
from twin.state.datastream_state import SEED_MAX
from twin.state.preceding_history import PrecedingHistory
from twin.state.window import Aggregate, window_start
from twin.wire.messages import AGGREGATES, Assessment, Update

Key = tuple[int, Instant]
WindowId = tuple[Duration, int, Instant]
"""Size, datastream, start."""


ALARM_SOURCES = (topics.OBSERVATIONS, topics.UPDATES, topics.AGGREGATES, topics.ALARMS)
"""The topics that must be stored before an alarm is evaluated again."""


class AlarmRepairRequest(NamedTuple):
    """A request to evaluate an alarm again."""

    start: Instant
    log: str
    #: how far the log must be stored before; None: not determined yet
    positions: Mapping[tuple[str, int], int] | None = None
    last_revision: int = 0  #: of the alarm's stored events, when the positions were determined
    has_changes: bool = False  #: whether it joins a request for points that were changed in storage


class SeriesRepairRequest(NamedTuple):
    """A request to compute a day of a derived series again."""

    log: str  #: empty: all that is needed is stored
    partition: int
    offset: int  #: in `observations`


STORED_TOPICS = (
    topics.OBSERVATIONS,
    topics.UPDATES,
    topics.AGGREGATES,
    topics.ALARMS,
    topics.QUARANTINE,
)


class ModelDatabase:
    """The tables as dictionaries by their keys."""

    def __init__(self) -> None:
        self.observations: dict[Key, Observation] = {}
        self.updates: dict[tuple[str, str], Update] = {}
        self.states: dict[int, Update] = {}
        self.amended_series: dict[tuple[str, str], int] = {}  #: newest revision of an amendment
        self.entity_values: dict[tuple[str, str, Instant], Update] = {}
        self.aggregates: dict[WindowId, Aggregate] = {}
        self.assessments: dict[Key, Assessment] = {}
        self.repairs: dict[Key, tuple[str, RepairRequest]] = {}
        self.quarantined: set[str] = set()
        self.alarms: dict[str, AlarmEvent] = {}
        #: by alarm, revision and amendment
        self.alarm_events: dict[tuple[str, int, int], AlarmEvent] = {}
        self.alarm_repairs: dict[tuple[str, str], AlarmRepairRequest] = {}  #: by rule and entity
        #: by entity, name and day
        self.series_repairs: dict[tuple[str, str, Instant], SeriesRepairRequest] = {}
        self.repaired_windows: set[WindowId] = set()
        self.repaired_points: set[str] = set()  #: entities
        self.changed_series: dict[tuple[str, str], Instant] = {}  #: (entity, name) → since when
        self.incidents: dict[tuple[str, str], IncidentEvent] = {}
        self.ledger = OutcomeCounts()
        self._observed: defaultdict[int, dict[Instant, Observation]] = defaultdict(dict)
        self._windows: defaultdict[tuple[Duration, int], dict[Instant, Aggregate]] = defaultdict(dict)
        self._values: defaultdict[tuple[str, str], dict[Instant, Update]] = defaultdict(dict)
        self._sequences: defaultdict[str, set[int]] = defaultdict(set)
        self._positions: dict[tuple[str, str, int], int] = {}
        #: by (log, partition): the offset in `observations` up to which aggregates are stored
        self.derived_to: dict[tuple[str, int], int] = {}
        #: by (log, partition): the offset in `observations` up to which derived values are stored
        self._updated_to: dict[tuple[str, int], int] = {}
        self.log = ""
        self._present: SimulatedLog | None = None

    def store_records(self, log: SimulatedLog, topic: str, partition: int, records_max: int) -> int:
        """Store the next records of a partition in one transaction; return their number."""
        self.log, self._present = log.identity, log
        begin = self._positions.get((log.identity, topic, partition), 0)
        end = min(begin + records_max, log.end(topic, partition))
        if begin == end:
            return 0
        batch = LogBatch(log.identity)
        for offset in range(begin, end):
            value = log.read(topic, partition, offset)
            batch.add(LogRecord(topic, partition, offset, 0, value))
            if topic == topics.AGGREGATES:
                place = log.identity, partition
                reached = AGGREGATES.decode(value).offset  # a replay starts at a lower offset
                self.derived_to[place] = max(reached, self.derived_to.get(place, -1))
        assert not batch.unreadable_count
        self._write(batch)
        self._positions[log.identity, topic, partition] = end
        return end - begin

    def store_until(self, log: SimulatedLog, topic: str, partition: int, end: int) -> None:
        """Store the records of a partition up to an offset, unless they are stored."""
        stored = self._positions.get((log.identity, topic, partition), 0)
        self.store_records(log, topic, partition, max(0, end - stored))

    def _write(self, batch: LogBatch) -> None:
        firsts = iter(batch.observation_buffer.firsts)
        for observation in firsts:
            self._receive(observation)
            for repeat in batch.observation_buffer.repeats.get(observation[:2], ()):
                self._receive(repeat.observation)
        for session, messages in batch.observation_buffer.messages.items():
            sequences, _, accepted = messages.distinct()
            for sequence, was_accepted in zip(sequences.tolist(), accepted.tolist(), strict=True):
                if sequence not in self._sequences[session]:
                    self._sequences[session].add(sequence)
                    self.ledger.received += 1
                    self.ledger.accepted += was_accepted
                    self.ledger.quarantined += not was_accepted
        self._write_updates(batch)
        self.merge_aggregates(batch.aggregates.values())
        self.merge_assessments(batch.assessments.values())
        for hour, request in batch.repairs.items():
            known = self.repairs.get(hour)
            if known is None or known[0] != batch.log_id or request.log_offset > known[1].log_offset:
                self.repairs[hour] = batch.log_id, request
        self.quarantined |= batch.quarantined.keys()
        for (alarm, revision), event in batch.alarm_buffer.alarms.items():
            self.alarm_events.setdefault((alarm, revision, 0), event)
        for (rule, entity), demand in batch.alarm_buffer.repairs.items():
            self.request_alarm_repair(rule, entity, demand.start)
        _merge(self.alarms, {one.alarm: one for one in _by_revision(batch.alarm_buffer.alarms.values())})
        _merge(
            self.incidents,
            {(one.cause, one.area): one for one in _by_revision(batch.alarm_buffer.incidents.values())},
        )

    def _write_updates(self, batch: LogBatch) -> None:
        _merge(self.updates, batch.update_buffer.updates)
        _merge(self.states, batch.update_buffer.states)
        for key in _merge(self.entity_values, batch.update_buffer.entity_values):
            self.store_value(self.entity_values[key])
        for amended, revision in batch.update_buffer.amended.items():
            self.amended_series[amended] = max(revision, self.amended_series.get(amended, 0))
        for key, series in batch.update_buffer.series_repairs.items():
            known = self.series_repairs.get(key)
            if known is None or known.log != batch.log_id or series.offset >= 0:
                self.series_repairs[key] = SeriesRepairRequest(batch.log_id, *series)
            else:
                self.series_repairs[key] = known._replace()  # repeated: another request of the same
        for (name, partition), offset in batch.update_buffer.next_offsets.items():
            if name == UPDATE_PROGRESS:
                place = batch.log_id, partition
                self._updated_to[place] = max(offset, self._updated_to.get(place, 0))

    def _receive(self, arrived: Observation) -> None:
        stored = self.observations.get(arrived[:2])
        self.ledger.observations += 1
        if stored is None:
            self.ledger.new += 1
        elif stored[3:5] == arrived[3:5]:
            self.ledger.duplicate += 1
        elif order_of_knowledge(arrived) > order_of_knowledge(stored):
            self.ledger.corrected += 1
        else:
            self.ledger.superseded += 1
        if stored is None or order_of_knowledge(arrived) > order_of_knowledge(stored):
            self.observations[arrived[:2]] = self._observed[arrived[0]][arrived[1]] = arrived

    def request_alarm_repair(
        self, rule: str, entity: str, start: Instant, *, has_changes: bool = False
    ) -> None:
        """Request that an alarm is evaluated again; `has_changes`: points were changed in storage."""
        known = self.alarm_repairs.get((rule, entity))
        start = min(start, known.start) if known is not None else start
        # What was changed in storage is stored already: a request that was determined stays so.
        request = known if has_changes and known is not None else AlarmRepairRequest(start, self.log)
        has_changes = has_changes or (known is not None and known.has_changes)
        self.alarm_repairs[rule, entity] = request._replace(start=start, has_changes=has_changes)

    def last_alarm_revision(self, alarm: str) -> int:
        """Return the revision of the newest stored event of an alarm; 0: there is none."""
        known = self.alarms.get(alarm)
        return known.revision if known is not None else 0

    def has_stored(self, log: SimulatedLog, positions: Mapping[tuple[str, int], int]) -> bool:
        """Return whether the log is stored up to these positions, of the topics that are stored."""
        return all(
            self._positions.get((log.identity, *place), 0) >= end
            for place, end in positions.items()
            if place[0] in ALARM_SOURCES
        )

    def request_series(self, entity: str, name: str, day: Instant, offset: int = -1) -> None:
        """Request a day of a derived series, since its inputs have changed here; a request of a log stays."""
        known = self.series_repairs.get((entity, name, day))
        if known is None or not known.log:
            self.series_repairs[entity, name, day] = SeriesRepairRequest("", 0, offset)
        else:
            self.series_repairs[entity, name, day] = known._replace()

    def windows_to(self) -> int:
        """Return the greatest offset in `observations` up to which windows of this log are stored."""
        return max((offset for (log, _), offset in self.derived_to.items() if log == self.log), default=-1)

    def has_stored_inputs(self, request: SeriesRepairRequest) -> bool:
        """Return whether the inputs of a request, and of the stored derived values, are stored."""
        if request.log == self.log:
            return self._has_consistent(request.partition, request.offset + 1)
        partitions = {one for log, one in self.derived_to.keys() | self._updated_to if log == self.log}
        return all(
            self._has_consistent(one, 0) and self._has_values(one, request.offset + 1) for one in partitions
        )

    def has_consistent_inputs(self) -> bool:
        """Return whether the inputs of what is stored of the present log are stored."""
        partitions = {one for log, one in self.derived_to.keys() | self._updated_to if log == self.log}
        return all(self._has_consistent(one, 0) for one in partitions)

    def _has_consistent(self, partition: int, end: int) -> bool:
        """Return whether the inputs of what is stored of a partition are stored, at least up to `end`."""
        place = self.log, partition
        observed = self._positions.get((self.log, topics.OBSERVATIONS, partition), 0)
        windows, updates = self.derived_to.get(place, -1) + 1, self._updated_to.get(place, 0)
        return observed >= windows >= max(updates, end)

    def _has_values(self, partition: int, end: int) -> bool:
        """Return whether derived values are stored up to `end`, as far as windows are, or all that there are.

        The system waits ten seconds for more.
        """
        place = self.log, partition
        awaited = min(self.derived_to.get(place, -1) + 1, end)
        if self._updated_to.get(place, 0) >= awaited or self._present is None:
            return True
        stored = self._positions.get((self.log, topics.UPDATES, partition), 0)
        return stored == self._present.end(topics.UPDATES, partition)

    def note_changed_series(self, entity: str, name: str, start: Instant) -> None:
        """Note that stored points have changed from a time on."""
        self.changed_series[entity, name] = min(start, self.changed_series.get((entity, name), start))

    def add_amendments(self, events: Iterable[AlarmEvent]) -> None:
        """Add events to the past of alarms, each behind those of its revision."""
        for event in events:
            numbers = [key[2] for key in self.alarm_events if key[:2] == (event.alarm, event.revision)]
            self.alarm_events[event.alarm, event.revision, max(numbers, default=0) + 1] = event

    def merge_aggregates(self, found: Iterable[Aggregate]) -> None:
        """Store the aggregates whose revision is greater than the stored one."""
        newer = {(one.size, one.datastream, one.start): one for one in found}
        for size, id, start in _merge(self.aggregates, newer):
            self._windows[size, id][start] = newer[size, id, start]

    def store_value(self, update: Update) -> None:
        """Store a derived value, whatever is stored for its time."""
        entity, name, time = update.entity, update.property, update.phenomenon_time
        self.entity_values[entity, name, time] = self._values[entity, name][time] = update

    def note_repaired_point(self, entity: str, name: str, time: Instant) -> None:
        """Note an entity whose newest points are to be sent to the stream, as a point has changed."""
        state = self.updates.get((entity, name))
        if state is None or time >= state.phenomenon_time:
            self.repaired_points.add(entity)

    def note_outdated_state(self, entity: str, name: str) -> None:
        """Note an entity whose state is not its newest point: its newest ones are to be sent, too."""
        state, points = self.updates.get((entity, name)), self.values_of(entity, name)
        if state is None:
            return
        newest = max((time for time, one in points.items() if not math.isnan(one.value)), default=INSTANT_MIN)
        own = points.get(state.phenomenon_time)
        if math.isnan(state.value):
            is_outdated = newest > INSTANT_MIN
        else:
            is_outdated = newest > state.phenomenon_time or (own is not None and math.isnan(own.value))
        if is_outdated:
            self.repaired_points.add(entity)

    def note_repaired_windows(self, repaired: Iterable[Aggregate]) -> None:
        """Note the windows that the stream may remember, to be sent to it."""
        for one in repaired:
            hours = self.windows_of(HOUR, one.datastream)
            if hours and one.start >= max(hours) - FEEDBACK_SPAN:
                self.repaired_windows.add((one.size, one.datastream, one.start))

    def note_repaired_history(self, datastream: int) -> None:
        """Note that the stream is to be sent the past of a datastream, with its newest window."""
        hours = self.windows_of(HOUR, datastream)
        if hours:
            self.repaired_windows.add((HOUR, datastream, max(hours)))

    def stored_offset(self, partition: int) -> int:
        """Return the offset up to which the observations of a partition of this log are stored."""
        return self._positions.get((self.log, topics.OBSERVATIONS, partition), 0) - 1

    def _stored_flags(self, observation: Observation) -> int:
        assessment = self.assessments.get(observation[:2])
        return observation.flags | (assessment.flags if assessment is not None else 0)

    def merge_assessments(self, found: Iterable[Assessment]) -> None:
        """Store the assessments whose revision is greater than the stored one."""
        _merge(self.assessments, {one[:2]: one for one in found})

    def observations_of(self, datastream: int) -> list[Observation]:
        """Return the observations of a datastream in order of phenomenon time."""
        found = self._observed.get(datastream, {})
        return [found[time] for time in sorted(found)]

    def told_times(self, datastreams: Iterable[int]) -> dict[int, Instant]:
        """Return the times of the newest stored states of datastreams."""
        found = {id: self.states[id].observation for id in datastreams if id in self.states}
        return {id: one.phenomenon_time for id, one in found.items() if one is not None}

    def windows_of(self, size: Duration, datastream: int) -> Mapping[Instant, Aggregate]:
        """Return the windows of a datastream of one size, by start."""
        return self._windows.get((size, datastream), {})

    def values_of(self, entity: str, name: str) -> Mapping[Instant, Update]:
        """Return the derived values of a series by phenomenon time; NaN was withdrawn."""
        return self._values.get((entity, name), {})

    def last_revisions(self, prefix: str) -> Counter[tuple[str, str]]:
        """Return the last stored revision of each series whose name has a prefix, by entity and name."""
        return Counter(
            {
                series: max(one.revision for one in points.values())
                for series, points in self._values.items()
                if points and series[1].startswith(prefix)
            }
        )

    def ready_repairs(self) -> list[tuple[Key, str, RepairRequest]]:
        """Return the repair requests whose observations are stored."""
        return sorted(
            (hour, log, request)
            for hour, (log, request) in self.repairs.items()
            if (self._is_stored(log, request) if log == self.log else self._has_observations_of_windows())
        )

    def _is_stored(self, log: str, request: RepairRequest) -> bool:
        """Return whether the observations of a request and of the stored windows are stored."""
        derived_to = self.derived_to.get((log, request.partition), -1)
        reached = self._positions.get((log, topics.OBSERVATIONS, request.partition), 0)
        return reached > max(request.log_offset, derived_to)

    def _has_observations_of_windows(self) -> bool:
        """Return whether the observations are stored that the windows of the present log are made of."""
        return all(
            self._positions.get((log, topics.OBSERVATIONS, partition), 0) > offset
            for (log, partition), offset in self.derived_to.items()
            if log == self.log
        )

    def state_seed(self, model: CityModel) -> StateSeed:
        """Return the seed of the stream on a new log, as `storage.stores.state_seed` reads it."""
        ids = sorted(self._observed)
        newest: list[Observation] = []
        truncated = set()
        preceding: dict[int, PrecedingHistory] = {}
        context_flags: dict[int, list[int]] = {}
        for id in ids:
            of_one = self.observations_of(id)
            newest += of_one[-SEED_MAX:]
            if len(of_one) >= SEED_MAX:
                truncated.add(id)
                policy = model.policy_of(model.datastreams[id])
                reader = MemoryHistory(of_one, policy)
                history = completed(read_stored_history(reader, policy, id, SEED_MAX)).preceding
                if history is not None:
                    preceding[id] = history
                context_flags[id] = [self._stored_flags(one) for one in of_one[-SEED_MAX:][:CONTEXT_MAX]]
        newest.sort(key=lambda one: (one[1], one[0]))
        aggregates = [
            *self._newest_aggregates(ids, HOUR, SEED_HOURS_MAX),
            *self._newest_aggregates(ids, 10 * MINUTE, SEED_TEN_MINUTES_MAX),
        ]
        hours = [hour for id in ids for hour in self._hours_to_repair(id, model.datastreams[id].interval)]
        revisions: dict[str, int] = {}
        for id, newest_update in self.states.items():
            entity = model.datastreams[id].entity
            revisions[entity] = max(newest_update.revision, revisions.get(entity, 0))
        for update in self.updates.values():
            revisions[update.entity] = max(update.revision, revisions.get(update.entity, 0))
        states = [one.observation for one in self.states.values() if one.observation is not None]
        state = CurrentState(list(self.updates.values()), states, revisions, {}, dict(self.amended_series))
        alarms, incidents = tuple(self.alarms.values()), tuple(self.incidents.values())
        return StateSeed(
            newest,
            frozenset(truncated),
            aggregates,
            hours,
            state,
            alarms,
            incidents,
            preceding,
            context_flags,
        )

    def _newest_aggregates(self, ids: Iterable[int], size: Duration, limit: int) -> list[Aggregate]:
        found: list[Aggregate] = []
        for id in ids:
            of_one = self.windows_of(size, id)
            found += [of_one[start] for start in sorted(of_one)[-limit:]]
        return sorted(found, key=lambda one: (one.start, one.datastream))

    def _hours_to_repair(self, id: int, interval: Duration) -> list[Key]:
        """Return the hours with a closed window after the last published window of the shortest size."""
        shortest = window_sizes_for(interval)[0]
        times = [one.phenomenon_time for one in self.observations_of(id)]
        starts = self.windows_of(shortest, id)
        begin = max(starts) + shortest if starts else times[0]
        end = window_start(times[-1], shortest)
        return [(id, hour) for hour in sorted({one - one % HOUR for one in times if begin <= one < end})]


R = TypeVar("R", AlarmEvent, IncidentEvent)


def _by_revision(events: Iterable[R]) -> list[R]:
    return sorted(events, key=lambda one: one.revision)


def _merge(stored: dict[Any, Any], newer: Mapping[Any, Any]) -> list[Any]:
    """Store the newer revisions; return their keys."""
    merged = [
        key for key, record in newer.items() if key not in stored or record.revision > stored[key].revision
    ]
    for key in merged:
        stored[key] = newer[key]
    return merged
