"""The inputs of an area for the slots of its series: what each source sent for each slot. Pure.

A source counts in a slot with the input of that slot, or else with its newest input before it, as long as
that is valid. So what counts in a slot is a function of the set of inputs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple, Protocol

import msgspec

from twin.instant import Duration, Instant
from twin.quality.quality_flags import is_usable
from twin.wire.messages import AreaInput, LaterValue

OUTDATED = -2
"""The weight of an input that says: storage computes what the source sent from `slot` to `valid_until`."""

RESTORED = -3
"""The weight of an input of an area about itself, from storage: what it stores as the newest point.

That is its `later` value, of `slot`. Without one, the point of the state in this slot is withdrawn, and there
is no other.
"""

_SLOT = attrgetter("slot")


class SlotInput(NamedTuple):
    """What one source sent for one slot."""

    slot: Instant
    value: float | None  #: None: suspect by `flags`; without such a flag the input is withdrawn
    time: Instant
    flags: int
    weight: int
    members: int
    valid_until: Instant  #: start of the last slot in which the value counts
    later: tuple[LaterValue, ...]  #: what remains of it in later slots
    revision: int  #: last, so that the rest is compared without it

    @property
    def last(self) -> Instant:
        """The last slot in which anything of it counts."""
        return self.later[-1].valid_until if self.later else self.valid_until


class Contribution(Protocol):
    """The part of an input that counts in a slot: the input itself, or what remains of it later."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def flags(self) -> int: ...  # noqa: D102
    @property
    def weight(self) -> int: ...  # noqa: D102
    @property
    def members(self) -> int: ...  # noqa: D102
    @property
    def valid_until(self) -> Instant: ...  # noqa: D102


class SlotSpan(NamedTuple):
    """Slots in which the value of a source may have changed, both inclusive."""

    first: Instant
    last: Instant


def slot_input(input: AreaInput) -> SlotInput:
    """Return the part of an input that an area keeps."""
    _, _, _, value, time, flags, weight, until, revision, slot, members, later, *_ = input
    return SlotInput(slot, value, time, flags, weight, members, until, later, revision)


class SlotInputs(msgspec.Struct, array_like=True):
    """The inputs of each source, ascending by slot. Mutable; goes into a checkpoint.

    Of the slots before those that are kept, the newest input of each source stays: it may still count.
    """

    by_source: dict[str, list[SlotInput]] = msgspec.field(default_factory=dict)

    def put(self, source: str, input: SlotInput) -> SlotSpan | None:
        """Add an input; return where it changes anything. An input with an older revision changes nothing."""
        inputs = self.by_source.get(source)
        if inputs is None:
            self.by_source[source] = [input]
            return SlotSpan(input.slot, input.last)
        slot, newest, place = input.slot, inputs[-1], len(inputs)
        if newest.slot < slot and newest.value is not None:
            inputs.append(input)
            return SlotSpan(slot, max(slot, input.last, newest.last))
        if newest.slot == slot and (span := _put_again(inputs, input)) is not None:
            return span if span.last >= span.first else None
        while place and inputs[place - 1].slot >= slot:
            place -= 1
        last = input.last
        if place < len(inputs) and inputs[place].slot == slot:
            known = inputs[place]
            if input.revision < known.revision:
                return None
            inputs[place] = input
            if known[:-1] == input[:-1]:
                return None
            last = max(last, known.last)
        else:
            inputs.insert(place, input)
        before = place - 1
        while before >= 0 and _is_withdrawn(inputs[before]):
            before -= 1
        if before >= 0:
            last = max(last, inputs[before].last)
        after = place + 1
        while after < len(inputs) and _is_withdrawn(inputs[after]):
            after += 1
        if after < len(inputs):
            last = min(last, inputs[after].slot - 1)
        return SlotSpan(slot, max(slot, last))

    def has(self, source: str, input: SlotInput) -> bool:
        """Return whether an input is known, with any revision."""
        inputs = self.by_source.get(source, [])
        place = bisect_left(inputs, input.slot, key=_SLOT)
        return place < len(inputs) and inputs[place][:-1] == input[:-1]

    def is_withdrawn_up_to(self, source: str, input: SlotInput) -> bool:
        """Return whether an input that was put is withdrawn, and so are all of its source before it."""
        if not _is_withdrawn(input):
            return False
        inputs = self.by_source[source]
        place = bisect_right(inputs, input.slot, key=_SLOT)
        return place > 0 and all(_is_withdrawn(one) for one in inputs[:place])

    def slots_from(self, floor: Instant) -> set[Instant]:
        """Return the slots of inputs, from a slot on."""
        return {one.slot for inputs in self.by_source.values() for one in inputs if one.slot >= floor}

    def at(self, slot: Instant) -> dict[str, SlotInput]:
        """Return the newest input of each source up to a slot, also those that are suspect or not valid."""
        found = {}
        for source, inputs in self.by_source.items():
            one = inputs[-1]
            if one.slot > slot or _is_withdrawn(one):
                before = _newest_until(slot, inputs)
                if before is None:
                    continue
                one = before
            found[source] = one
        return found

    def forget(self, floor: Instant) -> None:
        """Forget the slots before a floor, except for the newest input of each source before it."""
        for inputs in self.by_source.values():
            if len(inputs) > 1 and inputs[1].slot < floor:
                place = 1
                while place < len(inputs) and inputs[place].slot < floor:
                    place += 1
                # A withdrawn input says nothing about the slots that follow.
                kept = [one for one in inputs[:place] if not _is_withdrawn(one)]
                inputs[:place] = kept[-1:] or inputs[place - 1 : place]

    def moved(self, size: Duration) -> SlotInputs:
        """Return the newest input of each source on a grid of another size."""
        moved = {
            source: [
                one._replace(
                    slot=one.slot - one.slot % size, valid_until=one.last - one.last % size, later=()
                )
            ]
            for source, inputs in self.by_source.items()
            if (one := inputs[-1]) is not None
        }
        return SlotInputs(moved)


class OutdatedSlots(msgspec.Struct, array_like=True):
    """By source, the slots of which storage may have another input. Mutable; goes into a checkpoint.

    The source does not know it, either. It says for which slots that is; an input that it sends for one of
    them later is right again.
    """

    by_source: dict[str, set[Instant]] = msgspec.field(default_factory=dict)

    def add(self, source: str, slots: Iterable[Instant]) -> None:
        """Note slots of a source."""
        self.by_source.setdefault(source, set()).update(slots)

    def discard(self, source: str, slot: Instant) -> None:
        """Note that a source has sent an input for a slot."""
        slots = self.by_source.get(source)
        if slots is not None:
            slots.discard(slot)
            if not slots:
                del self.by_source[source]

    def forget(self, inputs: SlotInputs, floor: Instant) -> None:
        """Forget the slots before a floor, except those of inputs that are kept."""
        for source, slots in list(self.by_source.items()):
            kept = {one.slot for one in inputs.by_source.get(source, ())[:1]}
            slots.intersection_update({one for one in slots if one >= floor or one in kept})
            if not slots:
                del self.by_source[source]

    def touch(self, slot: Instant, inputs: SlotInputs) -> bool:
        """Return whether an outdated input counts in a slot, or one may be missing there."""
        for source, slots in self.by_source.items():
            if slot in slots:
                return True
            counts = _newest_until(slot, inputs.by_source.get(source, []))
            if counts is not None and counts.slot in slots and counts.last >= slot:
                return True
        return False


def counting(inputs: dict[str, SlotInput], slot: Instant) -> Iterator[tuple[str, Contribution]]:
    """Yield each source with a value that counts in a slot, and the part of it that does."""
    for source, one in inputs.items():
        if one.value is not None:
            part = part_at(one, slot)
            if part is not None:
                yield source, part


def part_at(input: SlotInput, slot: Instant) -> Contribution | None:
    """Return what of an input with a value counts in a slot; None if it is not valid any more."""
    if input.valid_until >= slot:
        return input  # type: ignore[return-value] # its value is not None
    if input.later:
        return next((part for part in input.later if part.valid_until >= slot), None)
    return None


def _put_again(inputs: list[SlotInput], input: SlotInput) -> SlotSpan | None:
    """Replace the newest input by one of its slot, the usual case; return None where that is not so simple.

    A span that ends before it begins says that nothing changes.
    """
    newest, slot = inputs[-1], input.slot
    earlier = inputs[-2] if len(inputs) > 1 else newest
    if input.revision < newest.revision or newest.later or input.later or earlier.later:
        return None
    if input.value is None or newest.value is None or earlier.value is None:
        return None
    inputs[-1] = input
    if newest[:-1] == input[:-1]:
        return SlotSpan(slot, slot - 1)
    return SlotSpan(slot, max(input.valid_until, newest.valid_until, earlier.valid_until))


def _is_withdrawn(input: SlotInput) -> bool:
    return input.value is None and is_usable(input.flags)


def _newest_until(slot: Instant, inputs: list[SlotInput]) -> SlotInput | None:
    place = bisect_right(inputs, slot, key=_SLOT)
    while place:
        place -= 1
        if not _is_withdrawn(inputs[place]):
            return inputs[place]
    return None
