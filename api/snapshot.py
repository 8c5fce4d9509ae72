"""Snapshots: what a subscriber is given when it joins, and what it has missed when it resumes."""

from __future__ import annotations

from typing import NamedTuple

from api.entities.selection import ResolvedFilter
from api.live.cursor import Cursor
from api.live.replay_buffer import BufferedChange
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant
from twin.state.freshness import Freshness
from twin.wire.messages import Update


class SnapshotValue(NamedTuple):
    """A value as it is at one moment."""

    update: Update
    freshness: Freshness


class AgedValue(NamedTuple):
    """A value that is less fresh than it was, by age alone."""

    due: Instant  #: when it became so
    update: Update
    freshness: Freshness


class LiveSnapshot(NamedTuple):
    """Everything that a subscriber asked for, as it was in the step in which it joined."""

    values: list[SnapshotValue]
    alarms: list[AlarmEvent]  #: that are not normal
    cursor: Cursor


class MissedChanges(NamedTuple):
    """What a subscriber that resumes has missed: values that aged meanwhile, then what the log told."""

    aged: list[AgedValue]  #: in that order; of what the log told since there is none
    changes: list[BufferedChange]
    selection: ResolvedFilter
    cursor: Cursor
