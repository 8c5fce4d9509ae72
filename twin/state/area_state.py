"""The state of an area: the values of its entities, rolled up into one series for each name.

A series has a point for each slot of event time (`twin.model.names.series_interval`) in which one of its
sources reported. A point follows from what each source sent for the slot, or before it as long as that is
valid. So the points are a function of the set of inputs, and an input amends every point that it touches.
`SLOTS_MAX` newest slots are kept; storage computes earlier ones again, by the same code.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from twin.instant import INSTANT_MAX, INSTANT_MIN, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX, coverage_min_of, roll_up_of, series_interval, slot_of
from twin.model.observation import LastGoodValue
from twin.quality.neighbour_verdict import NeighbourVerdict
from twin.quality.neighbours import (
    COMPARED_ONLY,
    OUTVOTED_ABOVE,
    NeighbourContext,
    NeighbourStanding,
    NeighbourState,
    disagreement_limit,
)
from twin.quality.quality_flags import DISAGREES, UNUSABLE_FLAGS, QualityFlag, is_usable
from twin.state.area_members import area_of, expected_members, roll_up_source
from twin.state.derived_points import is_windowed
from twin.state.freshness import interval_for_live_duration
from twin.state.slot_inputs import (
    OUTDATED,
    RESTORED,
    Contribution,
    OutdatedSlots,
    SlotInput,
    SlotInputs,
    SlotSpan,
    counting,
    part_at,
    slot_input,
)
from twin.wire.messages import AreaInput, LaterValue, SeriesRepair

SLOTS_MAX = 50
"""The most slots that a series keeps: two days of hours, and a margin."""

SLOTS_MIN = 3
"""The fewest slots that a series keeps, however many sources it has."""

INPUTS_MAX = 4_000
"""About how many inputs a series keeps; each takes some 40 bytes of a checkpoint."""

_INCOMPLETE = int(QualityFlag.INCOMPLETE)


class AreaValue(NamedTuple):
    """A point of the series of an area."""

    name: str  #: without `AREA_PREFIX`
    value: float  #: NaN: there is no value at this time any more
    phenomenon_time: Instant  #: of its slot, by `slot_time`
    flags: int
    weight: int  #: sensors or connections behind it
    interval: Duration  #: expected time between two values
    members: int  #: entities behind it
    members_expected: int
    is_newest: bool  #: whether it is the value of the area now
    preliminary: bool = False  #: whether others may still report in the slot
    outvoted: tuple[str, ...] = ()  #: entities left out, because their neighbours outvoted them
    last_good: LastGoodValue | None = None  #: the value itself, when its inputs have failed since


class SlotResult(NamedTuple):
    """What the inputs of a slot roll up to."""

    value: float | None  #: None: all that could count is suspect
    flags: int
    weight: int
    members: int
    valid_until: Instant  #: start of the last slot in which all of it counts
    later: tuple[LaterValue, ...]  #: what remains in later slots in which nobody reports
    outvoted: tuple[str, ...]

    @property
    def last(self) -> Instant:
        """The last slot in which any of it counts."""
        return self.later[-1].valid_until if self.later else self.valid_until


class AreaSeries(msgspec.Struct, array_like=True):
    """The series of one name in an area. Mutable; goes into a checkpoint."""

    size: Duration  #: of a slot
    floor: Instant = INSTANT_MIN  #: the first slot that is kept
    newest: Instant = INSTANT_MIN  #: the newest slot with any input
    inputs: SlotInputs = msgspec.field(default_factory=SlotInputs)
    #: by slot; None where nobody reported, and only the comparison of neighbours has inputs
    results: dict[Instant, SlotResult | None] = msgspec.field(default_factory=dict)
    emitted: AreaValue | None = None  #: the last one that was emitted as the value of the area now
    neighbours: NeighbourState | None = None
    keeps_all: bool = False  #: whether no slot is ever forgotten
    outdated: OutdatedSlots = msgspec.field(default_factory=OutdatedSlots)

    def put(self, input: AreaInput) -> tuple[SlotSpan | None, bool]:
        """Add an input; return the slots that it touches, and whether some of what they need is not kept."""
        kept = slot_input(input)
        if input.weight > 0 and self.outdated.by_source:
            self.outdated.discard(input.source, kept.slot)
        is_too_old = kept.slot < self.floor
        if is_too_old:
            span = self._put_before(input, kept)
        elif input.weight > 0:
            span = self.inputs.put(input.source, kept)
        else:
            span = self.comparison().put(input, kept)
            if input.weight < 0:
                # What the area above says about a slot makes none: it is read when the area has one.
                return (span if self.results.get(kept.slot) is not None else None), False
        if not is_too_old:
            self.newest = max(self.newest, kept.slot)
        if span is not None and input.weight > 0 and self._lacks_earlier(input.source, kept):
            self.note_outdated(input.source, span)
            return span, True
        return span, is_too_old and span is not None

    def _put_before(self, input: AreaInput, kept: SlotInput) -> SlotSpan | None:
        """Add an input before the kept slots if it may be the one that still counts in them."""
        if input.weight < 0:
            return SlotSpan(kept.slot, kept.last)
        inputs = self.inputs if input.weight > 0 else self.comparison().below
        known = inputs.by_source.get(input.source)
        if known and kept.slot < known[0].slot < self.floor:
            return SlotSpan(kept.slot, kept.last)
        span = inputs.put(input.source, kept)
        if known:
            inputs.forget(self.floor)
        return span

    def _lacks_earlier(self, source: str, put: SlotInput) -> bool:
        """Return whether an input that is not kept may count in place of one that is withdrawn.

        After a restart a source sends its newest input again, and none before it.
        """
        return self.floor > INSTANT_MIN and self.inputs.is_withdrawn_up_to(source, put)

    def is_known(self, input: AreaInput) -> bool:
        """Return whether an input was put before, with any revision."""
        return input.weight > 0 and self.inputs.has(input.source, slot_input(input))

    def ended_by(self, inputs: Sequence[AreaInput], name: str) -> set[Instant]:
        """Return the slots of inputs whose sources have sent a newer one: they are over for these."""
        ended = set()
        for one in inputs:
            if one.name == name and one.weight > 0:
                sent = self.inputs.by_source.get(one.source)
                slot = one.slot - one.slot % self.size
                if sent and slot < sent[-1].slot:
                    ended.add(slot)
        return ended

    def votes_to_pass_on(
        self, area: str, vote: AreaInput, model: CityModel, revision: Instant
    ) -> list[AreaInput]:
        """Return what storage has computed that this area says about an entity below, for the area of that.

        What it says about the slots that it keeps it has told itself.
        """
        below = area_of(vote.source, model)
        if vote.slot >= self.floor or below is None or below == area:
            return []
        return [vote._replace(area=below, by=area, revision=revision)]

    def note_outdated(self, source: str, span: SlotSpan) -> SlotSpan:
        """Note the slots of which storage computes the inputs; return those in which one may count."""
        first = max(span.first, self.floor, span.last - 2 * SLOTS_MAX * self.size)
        if first <= span.last:
            self.outdated.add(source, range(first, span.last + 1, self.size))
        inputs = self.inputs.by_source.get(source, ())
        ends = (one.last for one in inputs if span.first <= one.slot <= span.last)
        return SlotSpan(span.first, max(ends, default=span.last))

    def comparison(self) -> NeighbourState:
        """Return the comparison of neighbours; the first call begins it."""
        if self.neighbours is None:
            self.neighbours = NeighbourState()
        return self.neighbours

    def forget_oldest(self) -> None:
        """Forget the oldest slots beyond the limits; what was put into them must have been evaluated."""
        if self.keeps_all or self.newest == INSTANT_MIN:
            return
        slots = min(SLOTS_MAX, max(SLOTS_MIN, INPUTS_MAX // max(1, len(self.inputs.by_source))))
        floor = self.newest - (slots - 1) * self.size
        if floor <= self.floor:
            return
        self.floor = floor
        self.inputs.forget(floor)
        self.outdated.forget(self.inputs, floor)
        if self.neighbours is not None:
            self.neighbours.forget(floor)
        results = self.results
        older = [slot for slot in results if slot < floor]
        good = [slot for slot in older if (one := results[slot]) is not None and one.value is not None]
        kept = max(good, default=None)  # it is the state when all later ones are withdrawn
        for slot in older:
            if slot != kept:
                del results[slot]

    def touched(self, spans: Collection[SlotSpan]) -> set[Instant]:
        """Return the kept slots of spans: the first of each, and those in which there are inputs."""
        slots: set[Instant] = set()
        known = sorted(self.results) if any(first < self.newest for first, _ in spans) else []
        for first, last in spans:
            if first >= self.floor:
                slots.add(first)
            if last > first:
                slots.update(known[bisect_right(known, first) : bisect_right(known, last)])
        return slots


@dataclass(slots=True)
class AreaChanges:
    """The changes of an area."""

    values: list[AreaValue] = field(default_factory=list)  #: each raises the revision
    verdicts: list[NeighbourVerdict] = field(default_factory=list)
    inputs: list[AreaInput] = field(default_factory=list)  #: for the parent area, and for areas below
    repairs: list[SeriesRepair] = field(default_factory=list)


class AreaState(msgspec.Struct, array_like=True):
    """The current state of one area. Mutable, owned by one partition of one worker."""

    revision: int = 0
    series: dict[str, AreaSeries] = msgspec.field(default_factory=dict)  #: by name
    inherited: tuple[AreaInput, ...] = ()  #: inputs in a checkpoint of version 0.1, which has no slots
    keeps_all: bool = False  #: whether its series forget no slot, as when they are computed from storage
    #: by partition of the entities that have sent inputs, the greatest log time of these, and part
    sent_until: dict[int, tuple[Instant, int]] = msgspec.field(default_factory=dict)

    def note_sent(self, partition: int, time: Instant, part: int) -> bool:
        """Note when inputs were sent; return whether they are sent again, as after a crash of the sender.

        `time` is the log time of the partition, and `part` the number of the record at that time; the
        partition -1 is none.
        """
        if partition < 0:
            return False
        sent, latest = (time, part), self.sent_until.get(partition)
        if latest is None or sent > latest:
            self.sent_until[partition] = sent
            return False
        return True

    def apply(
        self,
        area: str,
        inputs: Sequence[AreaInput],
        model: CityModel,
        revision: Instant,
        *,
        repeated: bool = False,
        replayed: bool = False,
    ) -> AreaChanges:
        """Add inputs and return what they change.

        `revision` is that of new verdicts. What is `repeated` changes no slot before those that are kept, but
        areas below may. What is `replayed` may have been sent before a crash of its sender.
        """
        changes = AreaChanges()
        if self.inherited:
            inputs, self.inherited = (*self.inherited, *inputs), ()
        touched: dict[str, set[SlotSpan]] = {}
        skipping: dict[str, set[Instant]] = {}  # slots of inputs before which others were skipped
        known: list[AreaInput] = []  # that were replayed
        name = None
        for received in inputs:
            if received.name != name:
                name = received.name
                earlier, series = self.series.get(name), self._series_of(name, model)
                if earlier is not None and earlier is not series:
                    # Slots of the other grid may have been emitted after storage has computed the new ones.
                    other = SlotSpan(min(earlier.results, default=earlier.newest), earlier.newest)
                    changes.repairs.append(_repair(area, name, other, series.size))
                spans = touched.setdefault(name, set())
            if received.weight < 0 and not received.by:
                self._apply_of_storage(area, received, model, revision, changes)
                continue
            input = on_grid(received, series.size)
            if replayed and series.is_known(input):
                known.append(input)
            span, is_too_old = series.put(input)
            if input.skips and input.slot >= series.floor and not repeated:
                skipping.setdefault(name, set()).add(input.slot)
                spans.add(SlotSpan(input.slot, input.slot))
            if span is None:
                continue
            if is_too_old and received.weight == COMPARED_ONLY:
                # An area below keeps the slot, and emits it without the comparison that is not made here.
                below = area_of(received.source, model) or area
                changes.repairs.append(_repair(below, received.name, span, series.size))
            elif is_too_old and not repeated:
                self._leave_to_storage(area, name, span, model, changes)
            spans.add(span)
        self._leave_repeated(area, known, changes)
        for name in sorted(name for name, spans in touched.items() if spans):
            slots = self.series[name].touched(touched[name])
            told = set() if repeated else self.series[name].ended_by(inputs, name)
            told |= skipping.get(name, set())
            self._evaluate(NeighbourContext(area, name, model, revision), slots, told, changes)
        # Only now: a burst brings more slots at once than are kept, and each of them has a point.
        for name in touched:
            self.series[name].forget_oldest()
        return changes

    def _apply_of_storage(
        self, area: str, told: AreaInput, model: CityModel, revision: Instant, changes: AreaChanges
    ) -> None:
        """Apply what storage has computed, or what a source says that storage computes."""
        name, series = told.name, self.series[told.name]
        if told.weight == OUTVOTED_ABOVE:
            changes.inputs += series.votes_to_pass_on(area, told, model, revision)
        elif told.weight == RESTORED:
            self._restore(area, told, model, changes)
        elif told.weight == OUTDATED:
            input = on_grid(told, series.size)
            span = series.note_outdated(input.source, SlotSpan(input.slot, input.valid_until))
            self._leave_to_storage(area, name, span, model, changes)

    def _leave_repeated(self, area: str, inputs: Sequence[AreaInput], changes: AreaChanges) -> None:
        """Request slots of inputs that are sent again after a crash.

        What the sender emitted with them may be stored only now: storage may have computed points without it.
        """
        spans: dict[str, SlotSpan] = {}
        for one in inputs:
            kept = slot_input(one)
            known = spans.get(one.name, SlotSpan(kept.slot, kept.last))
            spans[one.name] = SlotSpan(min(known.first, kept.slot), max(known.last, kept.last))
        # A repair computes the areas above as well; what these emit meanwhile is right.
        for name, span in sorted(spans.items()):
            changes.repairs.append(_repair(area, name, span, self.series[name].size))

    def _leave_to_storage(
        self, area: str, name: str, span: SlotSpan, model: CityModel, changes: AreaChanges
    ) -> None:
        """Request slots after what was emitted of them; the areas above do so, too, after what they emit."""
        changes.repairs.append(_repair(area, name, span, self.series[name].size))
        parent = model.entities[area].parent
        if parent is not None:
            changes.inputs.append(outdated_input(parent, roll_up_source(area, model), name, span))

    def _restore(self, area: str, told: AreaInput, model: CityModel, changes: AreaChanges) -> None:
        """Emit the state of a series again, as storage has another: of a point that is not known here."""
        name, slot = told.name, told.slot
        series, expected = self.series[name], expected_members(area, name, model)
        kept = series.inputs.slots_from(series.floor)
        # What follows from no input that is kept here was told by storage, too.
        for other in [one for one, found in series.results.items() if found is not None and one not in kept]:
            del series.results[other]
        if series.emitted is not None and _slot_of_value(series.emitted, series.size) not in kept:
            series.emitted = None
        now, now_slot = _value_now(name, series, expected, model)
        is_of_now = slot == now_slot and bool(told.later) and _differs(told.later[0], series.results[slot])
        if is_of_now and not series.outdated.touch(slot, series.inputs):
            return  # All that counts in it is known here: storage gets its point from here.
        is_newer = slot not in series.results and (now_slot is None or now_slot < slot)
        if told.later and (is_of_now or is_newer):
            value, flags, weight, members, until = told.later[0]
            series.results[slot] = SlotResult(value, flags & ~_INCOMPLETE, weight, members, until, (), ())
            now, _ = _value_now(name, series, expected, model)
        if now is None or math.isnan(now.value):
            now = _withdrawn_value(name, slot, series.size, expected, _newest_value(series)[1])
        series.emitted = None if math.isnan(now.value) else now
        changes.values.append(now)
        self.revision += 1
        last = _slot_of_value(now, series.size)
        if last not in kept:
            # Storage may have computed another point since it told this one, which would replace that.
            changes.repairs.append(_repair(area, name, SlotSpan(last, last), series.size))

    def _series_of(self, name: str, model: CityModel) -> AreaSeries:
        size = series_interval(name, model)
        series = self.series.get(name)
        if series is None:
            series = self.series[name] = AreaSeries(size, keeps_all=self.keeps_all)
        elif series.size != size:
            # The model has another grid: the newest inputs count on, and storage computes earlier slots.
            newest = series.newest - series.newest % size if series.newest > INSTANT_MIN else INSTANT_MIN
            moved, neighbours = series.inputs.moved(size), None
            if series.neighbours is not None:
                neighbours = NeighbourState(standings=series.neighbours.standings)
            series = AreaSeries(size, newest, newest, moved, {}, series.emitted, neighbours)
            self.series[name] = series
        return series

    def _evaluate(
        self,
        context: NeighbourContext,
        touched: set[Instant],
        told: Collection[Instant],
        changes: AreaChanges,
    ) -> None:
        """Add what follows from the inputs of slots; some of them are `told` even if they are equal.

        Storage may have computed such a slot while its source waited with its next input.
        """
        name, model = context.property, context.model
        series = self.series[name]
        compares = series.neighbours is not None or disagreement_limit(name, model) is not None
        changed: dict[Instant, SlotResult | None] = {}  # with the result before
        waiting = sorted(touched)
        while waiting:
            slot = waiting.pop(0)
            if slot < series.floor:
                continue
            inputs = series.inputs.at(slot)
            outvoted: frozenset[str] = frozenset()
            if compares:
                outvoted, verdicts, sent = series.comparison().compare(
                    slot, inputs, context, is_newest=slot == series.newest
                )
                changes.verdicts += verdicts
                changes.inputs += sent
                # What the parent area has for a slot counts on there in the slots after it.
                last = max((one.valid_until for one in sent), default=slot)
                if last > slot:
                    later = (one for one in series.results if slot < one <= last)
                    waiting = sorted({*waiting, *later})
            after = roll_up(name, inputs, slot, model, outvoted)
            before = series.results.get(slot)
            if before != after or slot in told:
                changed[slot] = before
            series.results[slot] = after
        if changed:
            self._emit(context, series, changed, changes)

    def _emit(
        self,
        context: NeighbourContext,
        series: AreaSeries,
        changed: dict[Instant, SlotResult | None],
        changes: AreaChanges,
    ) -> None:
        """Add the points of the changed slots, the value now, and the inputs of the parent area."""
        area, name, model, _ = context
        expected = expected_members(area, name, model)
        now, now_slot = _value_now(name, series, expected, model)
        for slot, before in changed.items():
            value, found = point_of(name, slot, series, expected, model), series.results[slot]
            # Without a value also where it never had one: storage may have computed one too early.
            had_value = before is not None and before.value is not None
            if slot != now_slot and (had_value or found is not None):
                changes.values.append(value)
                self.revision += 1
        is_equal = now_slot in changed and changed[now_slot] == series.results[now_slot]
        if now_slot is not None and is_equal and now == series.emitted:
            # The state is as it was; the stored point may be another.
            changes.values.append(point_of(name, now_slot, series, expected, model))
            self.revision += 1
        elif now is not None and (now != series.emitted or now_slot in changed):
            series.emitted = None if math.isnan(now.value) else now
            changes.values.append(now)
            self.revision += 1
            if now_slot is not None and now_slot not in changed:
                # Storage may have computed another point since: it would be replaced by this one.
                changes.repairs.append(_repair(area, name, SlotSpan(now_slot, now_slot), series.size))
            if math.isnan(now.value) and series.floor > INSTANT_MIN:
                # There may be an earlier point that is not known here: storage tells it after a repair.
                last = _slot_of_value(now, series.size)
                changes.repairs.append(_repair(area, name, SlotSpan(last, last), series.size))
        parent = model.entities[area].parent
        if parent is not None:
            changes.inputs += [
                _parent_input(context, parent, slot, series, self.revision, before)
                for slot, before in changed.items()
            ]
        for slot in changed if series.outdated.by_source else ():
            if series.outdated.touch(slot, series.inputs):
                self._leave_to_storage(area, name, SlotSpan(slot, slot), model, changes)


def on_grid(input: AreaInput, size: Duration) -> AreaInput:
    """Return an input with a slot of this size; those of version 0.1, or of another model, have others."""
    if input.slot % size == 0 and input.slot != INSTANT_MIN:
        return input
    if input.slot == INSTANT_MIN:
        slot = slot_of(input.phenomenon_time, size, windowed=is_windowed(input.name))
        last = last_slot(slot, size, input.valid_until - input.phenomenon_time)
        return input._replace(slot=slot, valid_until=last)
    slot = input.slot - input.slot % size
    last = max(slot, input.valid_until - input.valid_until % size)
    return input._replace(slot=slot, valid_until=last, later=())


def outdated_input(area: str, source: str, name: str, span: SlotSpan) -> AreaInput:
    """Return the input of an area that says: storage computes what a source sent for these slots."""
    return AreaInput(area, source, name, None, span.first, 0, OUTDATED, span.last, 0, span.first, 0)


def slot_time(name: str, slot: Instant, size: Duration) -> Instant:
    """Return the phenomenon time of the value of an area in a slot.

    It is the start of the slot, so that the value of an open slot is not dated ahead. What is computed from
    windows is dated to their end, as the values of entities are: it exists only after that.

    >>> slot_time("pm2_5", 0, 60), slot_time("lki", 0, 60)
    (0, 60)
    """
    return slot + size if is_windowed(name) else slot


def _withdrawn_value(
    name: str, slot: Instant, size: Duration, expected: int, failure: SlotResult | None
) -> AreaValue:
    """Return the value that says that there is none, what has failed, and which entities are outvoted."""
    flags = _INCOMPLETE | (failure.flags & UNUSABLE_FLAGS if failure is not None else 0)
    outvoted = failure.outvoted if failure is not None else ()
    time = slot_time(name, slot, size)
    return AreaValue(name, math.nan, time, flags, 0, size, 0, expected, is_newest=True, outvoted=outvoted)


def restoring_input(
    area: str, name: str, slot: Instant, point: tuple[float, int, int, int] | None
) -> AreaInput:
    """Return the input of an area that tells the newest stored point of its series, and its slot.

    `point` is its value, flags, and the sensors and entities behind it. None: that of this slot is withdrawn,
    and there is no other.
    """
    later = (LaterValue(*point, slot),) if point is not None else ()
    return AreaInput(area, area, name, None, slot, 0, RESTORED, slot, 0, slot, 0, later)


def _differs(told: LaterValue, found: SlotResult | None) -> bool:
    if found is None or found.value is None or found.members != told.members:
        return True
    return not math.isclose(found.value, told.value, rel_tol=1e-12, abs_tol=1e-12)


def _slot_of_value(value: AreaValue, size: Duration) -> Instant:
    """Return the slot that a value is dated to by `slot_time`."""
    return slot_of(value.phenomenon_time, size, windowed=is_windowed(value.name))


def last_slot(slot: Instant, size: Duration, live: Duration) -> Instant:
    """Return the last slot in which a value counts that is live for a time: at least the one after its own.

    Otherwise an area would have no value at the beginning of each slot, until its sources report.

    >>> [last_slot(0, 60, live) for live in (30, 60, 119, 120)]
    [60, 60, 60, 120]
    """
    return slot + max(1, live // size) * size


def roll_up(
    name: str,
    inputs: dict[str, SlotInput],
    slot: Instant,
    model: CityModel,
    outvoted: frozenset[str] = frozenset(),
) -> SlotResult | None:
    """Return what the newest inputs up to a slot give for it; None if none of them is of the slot itself.

    Only inputs count that are still valid in the slot, and that neighbours have not outvoted. A mean weighs
    each input by the sensors behind it: it is the mean of sensors, however they are distributed over areas.
    """
    parts: list[Contribution] = []
    is_reported, failed, flags, weight, members = False, 0, 0, 0, 0
    until = first = INSTANT_MAX
    last = INSTANT_MIN
    for source, one in inputs.items():
        if one.slot == slot:
            is_reported = True
        valid_until = one.valid_until
        if one.value is None:
            if valid_until >= slot:
                failed |= one.flags
            continue
        if one.later:
            first = INSTANT_MIN  # so that what remains later is computed
        part = one if valid_until >= slot else part_at(one, slot)
        if part is None or (outvoted and source in outvoted):
            continue
        parts.append(part)  # type: ignore[arg-type] # its value is not None
        flags |= part.flags
        weight += part.weight
        members += part.members
        valid_until = part.valid_until
        until = min(until, valid_until)
        last = max(last, valid_until)
    if not is_reported:
        return None
    left_out = tuple(sorted(outvoted))
    if not parts:
        failed = failed & UNUSABLE_FLAGS | (DISAGREES if outvoted else 0)
        return SlotResult(None, failed, 0, 0, slot, (), left_out)
    value = _combined(name, parts, model)
    if value is None:
        return None
    later: tuple[LaterValue, ...] = ()
    if until != last or first == INSTANT_MIN:
        later = _later(name, inputs, until, model, outvoted)
    return SlotResult(value, flags & ~(DISAGREES | _INCOMPLETE), weight, members, until, later, left_out)


def _later(
    name: str,
    inputs: dict[str, SlotInput],
    until: Instant,
    model: CityModel,
    outvoted: frozenset[str],
) -> tuple[LaterValue, ...]:
    """Return the values in the slots after one in which all count, as long as nobody reports."""
    later: list[LaterValue] = []
    while True:
        slot = until + 1
        parts = [part for source, part in counting(inputs, slot) if source not in outvoted]
        value = _combined(name, parts, model) if parts else None
        if value is None:
            return tuple(later)
        until = min(part.valid_until for part in parts)
        weight, members = sum(part.weight for part in parts), sum(part.members for part in parts)
        later.append(LaterValue(value, _flags_of(parts), weight, members, until))


def _flags_of(parts: Sequence[Contribution]) -> int:
    flags = 0
    for part in parts:
        flags |= part.flags
    return flags & ~(DISAGREES | _INCOMPLETE)


def _combined(name: str, parts: Sequence[Contribution], model: CityModel) -> float | None:
    match roll_up_of(name, model):
        case "mean":
            total = sum([part.weight for part in parts])
            return math.fsum([part.value * part.weight for part in parts]) / total if total else None
        case "sum":
            return math.fsum([part.value for part in parts])
        case "max":
            return max([part.value for part in parts])
        case "min":
            return min([part.value for part in parts])
        case _:
            return None


def point_of(
    name: str, slot: Instant, series: AreaSeries, expected: int, model: CityModel, *, is_newest: bool = False
) -> AreaValue:
    """Return the point of a slot; without a value it withdraws the point."""
    found, size, time = series.results.get(slot), series.size, slot_time(name, slot, series.size)
    if found is None or found.value is None:
        return AreaValue(name, math.nan, time, 0, 0, size, 0, expected, is_newest)
    flags = found.flags
    if found.members < coverage_min_of(name, model) * expected:
        flags |= _INCOMPLETE
    return AreaValue(
        name,
        found.value,
        time,
        flags,
        found.weight,
        max(size, interval_for_live_duration(found.last + size - time)),
        found.members,
        expected,
        is_newest,
        is_newest and slot == series.newest,
        found.outvoted,
    )


def _newest_value(series: AreaSeries) -> tuple[Instant | None, SlotResult | None]:
    """Return the slot of the newest value, None if there is none, and what has failed since."""
    failure: SlotResult | None = None
    for slot in sorted(series.results, reverse=True):
        found = series.results[slot]
        if found is not None and found.value is not None:
            return slot, failure
        if found is not None and failure is None and found.flags & UNUSABLE_FLAGS:
            failure = found
    return None, failure


def _value_now(
    name: str, series: AreaSeries, expected: int, model: CityModel
) -> tuple[AreaValue | None, Instant | None]:
    """Return the value of the area now, and the slot that it is of, unless it has failed since.

    It is the newest point. When all that could count in a newer slot has failed since, it is that point with
    the flags of the failures. When all points are withdrawn, its value is NaN.
    """
    slot, failure = _newest_value(series)
    if slot is not None:
        value = point_of(name, slot, series, expected, model, is_newest=True)
        return (value, slot) if failure is None else (_failed(value, failure), None)
    last = series.emitted
    if last is None or not series.results:
        return None, None
    slot = _slot_of_value(last, series.size)
    if slot < series.floor:  # of another grid, or of a checkpoint of version 0.1
        return (last if failure is None else _failed(last, failure)), None
    return _withdrawn_value(name, slot, series.size, expected, failure), None


def _failed(value: AreaValue, failure: SlotResult) -> AreaValue:
    """Return a value with the flags of what has failed since."""
    return value._replace(
        flags=value.flags & ~UNUSABLE_FLAGS | failure.flags,
        members=0,
        preliminary=False,
        outvoted=failure.outvoted,
        last_good=value.last_good or LastGoodValue(value.value, value.phenomenon_time),
    )


def _parent_input(  # noqa: PLR0917 - of one slot
    context: NeighbourContext,
    parent: str,
    slot: Instant,
    series: AreaSeries,
    revision: int,
    before: SlotResult | None,
) -> AreaInput:
    """Return the input of the parent area for a slot, of which the result was another `before`, or equal."""
    source, name = roll_up_source(context.area, context.model), context.property
    found, time = series.results.get(slot), slot_time(name, slot, series.size)
    if found is None:
        return AreaInput(parent, source, name, None, time, 0, 1, slot, revision, slot, 0)
    return AreaInput(
        parent,
        source,
        name,
        found.value,
        time,
        found.flags,
        max(1, found.weight),
        found.valid_until,
        revision,
        slot,
        found.members,
        found.later,
        skips=found == before,
    )


def _repair(area: str, name: str, span: SlotSpan, size: Duration) -> SeriesRepair:
    """Return the request to compute the points of the slots of a span again."""
    return SeriesRepair(area, AREA_PREFIX + name, span.first, span.last + size + 1)


class _EarlierAreaState(msgspec.Struct, array_like=True, frozen=True):
    """An area in a checkpoint of version 0.1."""

    revision: int = 0
    inputs: dict[str, dict[str, _EarlierInput]] = {}
    emitted: dict[str, msgspec.Raw] = {}
    neighbours: dict[str, _EarlierNeighbours] = {}


class _EarlierNeighbours(msgspec.Struct, array_like=True, frozen=True):
    from_below: dict[str, _EarlierInput] = {}
    standings: dict[str, NeighbourStanding] = {}


class _EarlierInput(NamedTuple):
    area: str
    source: str
    name: str
    value: float | None
    phenomenon_time: Instant
    flags: int
    weight: int
    valid_until: Instant
    revision: int


class AreaCodec:
    """Creates, encodes and decodes the states of areas in a checkpoint; it reads those of version 0.1."""

    new = AreaState

    def __init__(self) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(tuple[str, AreaState]).decode
        self._decode_earlier = msgspec.msgpack.Decoder(tuple[str, _EarlierAreaState]).decode

    def encode(self, name: str, content: AreaState) -> bytes:
        """Return an area and its state as MessagePack."""
        return self._encode((name, content))

    def decode(self, data: msgspec.Raw) -> tuple[str, AreaState]:
        """Return the area and its state that were encoded."""
        try:
            return self._decode(data)
        except msgspec.ValidationError:
            name, earlier = self._decode_earlier(data)
            inputs = [one for by_source in earlier.inputs.values() for one in by_source.values()]
            series = {
                property: AreaSeries(0, neighbours=NeighbourState(standings=one.standings))
                for property, one in earlier.neighbours.items()
            }
            return name, AreaState(earlier.revision, series, tuple(AreaInput(*one) for one in inputs))


def usable_value(value: float, flags: int) -> float | None:
    """Return a value to roll up; None where its entity says that it is suspect.

    A value that is suspect only by the verdict of its neighbours stays a value: the next verdict must not
    depend on the verdict before.
    """
    return value if is_usable(flags & ~DISAGREES) else None
