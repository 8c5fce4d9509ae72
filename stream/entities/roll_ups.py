"""Roll-ups of observed properties: to which area each goes, and when an entity sends it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

from stream.entities.entity_content import EntityContent
from stream.entities.entity_output import OUTDATED_MAX, EntityOutput
from twin.alarms.evaluation.operand_points import property_points
from twin.alarms.rules.operand import Point
from twin.instant import INSTANT_MAX, INSTANT_MIN, SECOND, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, roll_up_of, series_interval, slot_of
from twin.model.observation import Observation
from twin.model.sensor import Datastream
from twin.state.area_members import area_of
from twin.state.area_state import last_slot, usable_value
from twin.state.datastream_state import RECENT_MAX, DatastreamState
from twin.state.freshness import live_duration
from twin.state.slot_inputs import SlotSpan
from twin.wire.messages import AreaInput, SeriesRepair

ROLL_UP_INTERVALS: tuple[Duration, ...] = (4 * SECOND, 5 * SECOND, 6 * SECOND)
"""An entity sends a property to its area again after one of these intervals. Earlier changes wait.

The intervals differ, so that properties which were sent at once, as at the beginning of a log, drift apart.
"""

WAITING_MAX = 16
"""Changes do not wait when one datastream has so many observations of them, in more than one slot.

It keeps `RECENT_MAX` observations, so the last one of each slot is sent before it is forgotten.
"""


class RollUp(NamedTuple):
    """Where a property of an entity is rolled up, and for how long a value of it is live."""

    area: str
    size: Duration  #: of a slot
    live_duration: Duration
    interval: Duration  #: between two inputs
    datastreams: tuple[int, ...]  #: those that the values are combined from

    def inputs(
        self, property: str, content: EntityContent, since: Instant, model: CityModel
    ) -> list[tuple[Point, AreaInput]]:
        """Return the last value of each slot since a phenomenon time, and its input.

        Derived values use `EntityOutput.add_area_input`.
        """
        entity, size = model.datastreams[self.datastreams[0]].entity, self.size
        inputs = []
        for point, skips in _last_of_each_slot(property_points(content.state, property, since, model), size):
            slot = slot_of(point.time, size, windowed=False)
            last = last_slot(slot, size, self.live_duration)
            value = usable_value(point.value, point.flags)
            weight = max(1, len(point.sources))
            input = AreaInput(
                self.area, entity, property, value, point.time, point.flags, weight, last,
                content.state.revision, slot, skips=skips,
            )  # fmt: skip
            inputs.append((point, input))
        return inputs

    def newest_input(
        self, entity: str, property: str, state: DatastreamState, since: Instant, revision: int
    ) -> AreaInput:
        """Return the input of the newest value of a single datastream: the usual case.

        The values since a time of the same slot have changed.
        """
        _, time, _, value, flags, *_ = state.newest
        slot = time - time % self.size
        last = last_slot(slot, self.size, self.live_duration)
        skips = since < time and any(
            one.value != value or one.flags != flags for one in _assessed_since(state, since)
        )
        return AreaInput(
            self.area, entity, property, usable_value(value, flags), time, flags, 1, last, revision, slot,
            skips=skips,
        )  # fmt: skip

    def add_repair(self, entity: str, property: str, slot: Instant, output: EntityOutput) -> None:
        """Request the points of a slot, and of those in which its value still counts.

        The area requests them, too, after what it has emitted without that value.
        """
        self.request(property, slot, slot, output)
        output.outdated[self.area, entity, property, self.size].append(SlotSpan(slot, slot))

    def request(self, property: str, first: Instant, last: Instant, output: EntityOutput) -> None:
        """Request the points of the area from a slot on, up to where values of the last one still count."""
        end = last_slot(last, self.size, self.live_duration) + self.size + 1
        output.series_repairs.append(SeriesRepair(self.area, AREA_PREFIX + property, first, end))


class RollUpTable:
    """The roll-ups of one model, looked up when they are first needed."""

    def __init__(self) -> None:
        self._model: CityModel | None = None
        self._roll_ups: dict[str, dict[str, RollUp | None]] = {}  # by entity and property

    def of(self, entity: str, property: str, model: CityModel) -> RollUp | None:
        """Return where an observed property of an entity is rolled up; None where it is not."""
        by_property = self._of_entity(entity, model)
        if property not in by_property:
            by_property[property] = _look_up(entity, property, model)
        return by_property[property]

    def _of_entity(self, entity: str, model: CityModel) -> dict[str, RollUp | None]:
        """Return the roll-ups of an entity that were looked up before."""
        if self._model is not model:
            self._model, self._roll_ups = model, {}
        by_property = self._roll_ups.get(entity)
        if by_property is None:
            by_property = self._roll_ups[entity] = {}
        return by_property

    def note_change(
        self, content: EntityContent, datastream: Datastream, since: Instant, model: CityModel
    ) -> None:
        """Note that the values of a property have changed from a phenomenon time on."""
        property = datastream.property
        known = content.rolled_up_since.get(property, INSTANT_MAX)
        if since < known and self.of(datastream.entity, property, model) is not None:
            content.rolled_up_since[property] = since
            content.pending_properties.add(property)

    def is_at_memory_end(self, content: EntityContent, datastream: Datastream, model: CityModel) -> bool:
        """Whether the oldest value in memory has changed, and its area lacks the change.

        The next observation would make the datastream forget it: emit before. A value that is not the last
        of its slot counts nowhere.
        """
        since = content.rolled_up_since.get(datastream.property)
        if since is None or datastream.id not in content.state.datastreams:
            return False
        kept = content.state.datastreams[datastream.id].assessed
        if len(kept) < RECENT_MAX or kept[0].phenomenon_time < since:
            return False
        roll_up = self.of(datastream.entity, datastream.property, model)
        if roll_up is None:
            return False
        oldest, following = (slot_of(one.phenomenon_time, roll_up.size, windowed=False) for one in kept[:2])
        return oldest < following

    def add_repair(
        self, datastream: Datastream, time: Instant, model: CityModel, output: EntityOutput
    ) -> None:
        """Ask for a repair of the slot of an observation that is too old for the observations in memory."""
        roll_up = self.of(datastream.entity, datastream.property, model)
        if roll_up is not None:
            slot = slot_of(time, roll_up.size, windowed=False)
            roll_up.add_repair(datastream.entity, datastream.property, slot, output)

    def request_judged(
        self, datastream: Datastream, times: Sequence[Instant], model: CityModel, output: EntityOutput
    ) -> None:
        """Request the points of an area that values touch which are found not usable.

        Storage may have computed points from them before it had their assessments. Where the area never had
        such a point, nothing that it emits replaces it.
        """
        roll_up = self.of(datastream.entity, datastream.property, model) if times else None
        if roll_up is not None:
            first, last = (slot_of(time, roll_up.size, windowed=False) for time in (min(times), max(times)))
            roll_up.request(datastream.property, first, last, output)

    def note_left(
        self,
        content: EntityContent,
        datastream: Datastream,
        since: Instant,
        model: CityModel,
        output: EntityOutput,
    ) -> None:
        """Tell the area that storage judges values again, from a time on up to those in memory."""
        known = content.state.datastreams[datastream.id].assessed
        if known:
            since = max(since, known[-1].phenomenon_time - OUTDATED_MAX)
            self.note_judged(datastream, (since, known[0].phenomenon_time), model, output)

    def note_judged(
        self, datastream: Datastream, span: tuple[Instant, Instant], model: CityModel, output: EntityOutput
    ) -> None:
        """Tell the area that storage judges the values of a span again; the end counts, too."""
        roll_up = self.of(datastream.entity, datastream.property, model)
        if roll_up is not None:
            first, last = (slot_of(time, roll_up.size, windowed=False) for time in span)
            if first <= last:
                key = roll_up.area, datastream.entity, datastream.property, roll_up.size
                output.outdated[key].append(SlotSpan(first, last))

    def emit_due(
        self,
        entity: str,
        content: EntityContent,
        model: CityModel,
        output: EntityOutput,
        now: Instant,
        *,
        is_closing: bool = False,
    ) -> None:
        """Add the changed properties of an entity to the output; those sent too recently stay pending.

        When the log closes, none stays.

        For each slot that has changed, its last value is sent. The present value alone is repeated where
        nothing has changed, as at the beginning of a log.
        """
        waiting = set()
        states, times = content.state.datastreams, content.rolled_up_times
        by_property = self._of_entity(entity, model)
        for property in sorted(content.pending_properties):
            roll_up = by_property[property] if property in by_property else self.of(entity, property, model)
            if roll_up is None:
                continue
            since = content.rolled_up_since.get(property)
            is_early = not is_closing and property in times and now - times[property] < roll_up.interval
            if is_early and not (since is not None and is_filling(roll_up, states, since)):
                waiting.add(property)
                continue
            parts = [states[id] for id in roll_up.datastreams if id in states]
            if not parts:
                continue
            content.rolled_up_times[property] = now
            content.rolled_up_since.pop(property, None)
            inputs = output.repeated_inputs if since is None else output.inputs
            newest = parts[0].newest
            if since is None:
                since = max(state.newest.phenomenon_time for state in parts)
            if len(parts) == 1 and since >= newest.phenomenon_time - newest.phenomenon_time % roll_up.size:
                revision = content.state.revision
                inputs.append(roll_up.newest_input(entity, property, parts[0], since, revision))
                continue
            complete_from = _complete_from(parts)
            for point, input in roll_up.inputs(property, content, since, model):
                if point.time < complete_from and len(parts) > 1:
                    roll_up.add_repair(entity, property, input.slot, output)
                else:
                    inputs.append(input)
        content.pending_properties = waiting


def is_filling(roll_up: RollUp, states: Mapping[int, DatastreamState], since: Instant) -> bool:
    """Return whether changes are about to be forgotten that are the last of their slot."""
    for id in roll_up.datastreams:
        kept = states[id].assessed if id in states else ()
        if len(kept) < WAITING_MAX or kept[-WAITING_MAX].phenomenon_time < since:
            continue
        newest = kept[-1].phenomenon_time
        if newest - newest % roll_up.size > since:
            return True
    return False


def _complete_from(parts: Sequence[DatastreamState]) -> Instant:
    """Return from when on the observations of all datastreams are in memory."""
    full = [state.assessed[0].phenomenon_time for state in parts if len(state.assessed) >= RECENT_MAX]
    return max(full, default=INSTANT_MIN)


def _assessed_since(state: DatastreamState, since: Instant) -> Iterator[Observation]:
    """Yield the observations in memory since a phenomenon time, descending."""
    for one in reversed(state.assessed):
        if one.phenomenon_time < since:
            return
        yield one


def _last_of_each_slot(points: Sequence[Point], size: Duration) -> list[tuple[Point, bool]]:
    """Return the last point of each slot, ascending, and whether the slot has others of another value."""
    found: dict[Instant, tuple[Point, bool]] = {}
    for point in points:
        slot = point.time - point.time % size
        before, skips = found.get(slot, (point, False))
        skips |= (before.value, before.flags) != (point.value, point.flags)
        found[slot] = point, skips
    return list(found.values())


def _look_up(entity: str, property: str, model: CityModel) -> RollUp | None:
    area = area_of(entity, model)
    if area is None or roll_up_of(property, model) == "none":
        return None
    datastreams = model.datastreams_of(entity, property)
    told = tuple(datastream.id for datastream in datastreams if not model.policy_of(datastream).personal)
    if not told:
        return None
    live = live_duration(min(datastream.interval for datastream in datastreams))
    number = crc32(f"{entity} {property}".encode()) % len(ROLL_UP_INTERVALS)
    return RollUp(area, series_interval(property, model), live, ROLL_UP_INTERVALS[number], told)
