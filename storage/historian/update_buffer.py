"""What records of `updates` come to: the newest state of everything, and the series of derived values."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.historian.update_decoder import decode_storable_updates
from twin.instant import Instant
from twin.wire.messages import QuarantinedMessage, Update, UpdateKind


@dataclass(slots=True)
class UpdateBuffer:
    """Updates, collapsed: of what is replaced as a whole only the newest.

    They may be held over several transactions: however many come meanwhile, each state is written once. Their
    places in the log are held with them, so a crash loses nothing: they are read again.
    """

    updates: dict[tuple[str, str], Update] = field(default_factory=dict)  #: newest revision of each property
    #: by datastream, the update with the greatest revision that tells its state
    states: dict[int, Update] = field(default_factory=dict)
    #: newest revision of each derived value, by entity, name and time
    entity_values: dict[tuple[str, str, Instant], Update] = field(default_factory=dict)
    next_offsets: dict[tuple[str, int], int] = field(
        default_factory=dict
    )  #: (topic, partition) → next offset
    #: records of `updates` that could not be read, or not wholly
    unreadable: dict[str, QuarantinedMessage] = field(default_factory=dict)
    count: int = 0  #: of updates, before collapsing

    @property
    def rows(self) -> int:
        """How many rows they are."""
        return len(self.updates) + len(self.states) + len(self.entity_values)

    def add(self, record: bytes) -> list[str]:
        """Take in a record of `updates`; return what in it could not be taken in, in words.

        Raises MessageError when it cannot be read.
        """
        told, refused = decode_storable_updates(record)
        nul = 0
        updates, states = self.updates, self.states
        for one in told:
            key, revision = (one.entity, one.property), one.revision
            known = updates.get(key)
            # A text column cannot hold NUL. A name that is known has none.
            if known is None and ("\0" in one.entity or "\0" in one.property):
                nul += 1
                continue
            if one.kind is not UpdateKind.PERSONAL and (known is None or revision > known.revision):
                updates[key] = one
            # With the last good value beside it, it is that value, told again as its inputs failed since.
            if one.kind is UpdateKind.INDICATOR and one.last_good is None:
                self._keep_value(one)
            if one.observation is not None:
                state = states.get(one.observation[0])
                if state is None or revision > state.revision:
                    states[one.observation[0]] = one
        total = len(told) + refused
        self.count += total - nul - refused
        refused += nul
        return [f"{refused} of {total} updates have numbers beyond all bounds"] if refused else []

    def _keep_value(self, one: Update) -> None:
        key = one.entity, one.property, one.phenomenon_time
        known = self.entity_values.get(key)
        if known is None or one.revision > known.revision:
            self.entity_values[key] = one
