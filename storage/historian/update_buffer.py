"""Collapses records of `updates` to the newest states and to the series of derived values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from storage.historian.update_decoder import decode_storable_updates
from storage.stores.log_positions import UPDATE_PROGRESS
from twin.instant import DAY, INSTANT_MIN, Duration, Instant
from twin.model.names import AREA_PREFIX
from twin.state.window import window_start
from twin.wire.messages import QuarantinedMessage, SeriesRepair, Update, UpdateKind

REPAIR_SPAN_MAX: Duration = 400 * DAY
"""The longest span of one series repair that is stored as its days: a day of each is a row."""


class SeriesRequest(NamedTuple):
    """A request to compute a day of a derived series again."""

    partition: int
    offset: int  #: in `observations`; -1: of areas


@dataclass(slots=True)
class UpdateBuffer:
    """Updates, collapsed: only the newest of each state and derived value.

    The buffer may be held over several transactions, so that each state is written once, however many updates
    arrive. The offsets of the updates are held with them: after a crash they are read again.
    """

    updates: dict[tuple[str, str], Update] = field(default_factory=dict)  #: newest revision of each property
    #: by datastream, the update with the greatest revision that contains its state
    states: dict[int, Update] = field(default_factory=dict)
    #: newest revision of each derived value, by entity, name and phenomenon time
    entity_values: dict[tuple[str, str, Instant], Update] = field(default_factory=dict)
    #: newest revision of an amendment of each series, by entity and name
    amended: dict[tuple[str, str], int] = field(default_factory=dict)
    #: by entity, name and start of the day; INSTANT_MIN: every day of which storage has inputs
    series_repairs: dict[tuple[str, str, Instant], SeriesRequest] = field(default_factory=dict)
    next_offsets: dict[tuple[str, int], int] = field(
        default_factory=dict
    )  #: (topic, partition) → next offset
    #: records of `updates` that could not be read completely, by their id in quarantine
    unreadable: dict[str, QuarantinedMessage] = field(default_factory=dict)
    count: int = 0  #: of updates, before collapsing

    @property
    def rows(self) -> int:
        """The number of rows to write."""
        return len(self.updates) + len(self.states) + len(self.entity_values) + len(self.series_repairs)

    def add(self, record: bytes, partition: int) -> list[str]:
        """Add a record of `updates`; return a description of the updates that the columns cannot hold.

        Raises MessageError when the record cannot be decoded.
        """
        decoded, repairs, offset, refused = decode_storable_updates(record)
        if offset >= 0:
            progress = UPDATE_PROGRESS, partition
            self.next_offsets[progress] = max(offset + 1, self.next_offsets.get(progress, 0))
        with_nul = self._add_repairs(repairs, partition, offset)
        updates, states = self.updates, self.states
        for update in decoded:
            key, revision = (update.entity, update.property), update.revision
            known = updates.get(key)
            # A text column cannot hold NUL. The names of known states were checked before.
            if known is None and ("\0" in update.entity or "\0" in update.property):
                with_nul += 1
                continue
            if update.kind is UpdateKind.AMENDMENT:
                self._keep_value(update)
                self.amended[key] = max(revision, self.amended.get(key, 0))
                continue
            if update.kind is not UpdateKind.PERSONAL and (known is None or revision > known.revision):
                updates[key] = update
            # With a last good value, the update repeats it because its inputs have failed.
            if update.kind is UpdateKind.INDICATOR and update.last_good is None:
                self._keep_value(update)
            if update.observation is not None:
                state = states.get(update.observation[0])
                if state is None or revision > state.revision:
                    states[update.observation[0]] = update
        total = len(decoded) + len(repairs) + refused
        self.count += total - with_nul - refused
        refused += with_nul
        return [f"{refused} of {total} updates have values outside the column limits"] if refused else []

    def _add_repairs(self, repairs: Sequence[SeriesRepair], partition: int, offset: int) -> int:
        """Add series repairs, by the day; return the number of those that cannot be stored.

        A span of an entity that begins at no time, or is too long, is repaired as a whole: storage knows the
        days of which it has inputs.
        """
        refused = 0
        for repair in repairs:
            is_long = repair.end - repair.start > REPAIR_SPAN_MAX
            if (
                "\0" in repair.entity
                or "\0" in repair.name
                or repair.end <= repair.start
                or (is_long and repair.name.startswith(AREA_PREFIX))
            ):
                refused += 1
                continue
            days = range(window_start(repair.start, DAY), repair.end, DAY)
            for day in (INSTANT_MIN,) if is_long else days:
                key = repair.entity, repair.name, day
                known = self.series_repairs.get(key)
                if known is None or offset > known.offset:
                    self.series_repairs[key] = SeriesRequest(partition, offset)
        return refused

    def _keep_value(self, update: Update) -> None:
        key = update.entity, update.property, update.phenomenon_time
        known = self.entity_values.get(key)
        if known is None or update.revision > known.revision:
            self.entity_values[key] = update
