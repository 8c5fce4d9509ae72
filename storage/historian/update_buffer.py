"""Collapses records of `updates` to the newest states and to the series of derived values."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.historian.update_decoder import decode_storable_updates
from twin.instant import Instant
from twin.wire.messages import QuarantinedMessage, Update, UpdateKind


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
    next_offsets: dict[tuple[str, int], int] = field(
        default_factory=dict
    )  #: (topic, partition) → next offset
    #: records of `updates` that could not be read completely, by their id in quarantine
    unreadable: dict[str, QuarantinedMessage] = field(default_factory=dict)
    count: int = 0  #: of updates, before collapsing

    @property
    def rows(self) -> int:
        """The number of rows to write."""
        return len(self.updates) + len(self.states) + len(self.entity_values)

    def add(self, record: bytes) -> list[str]:
        """Add a record of `updates`; return a description of the updates that the columns cannot hold.

        Raises MessageError when the record cannot be decoded.
        """
        decoded, refused = decode_storable_updates(record)
        with_nul = 0
        updates, states = self.updates, self.states
        for update in decoded:
            key, revision = (update.entity, update.property), update.revision
            known = updates.get(key)
            # A text column cannot hold NUL. The names of known states were checked before.
            if known is None and ("\0" in update.entity or "\0" in update.property):
                with_nul += 1
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
        total = len(decoded) + refused
        self.count += total - with_nul - refused
        refused += with_nul
        return [f"{refused} of {total} updates have values outside the column limits"] if refused else []

    def _keep_value(self, update: Update) -> None:
        key = update.entity, update.property, update.phenomenon_time
        known = self.entity_values.get(key)
        if known is None or update.revision > known.revision:
            self.entity_values[key] = update
