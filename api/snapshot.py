"""Snapshots: what a subscriber is given when it joins, and what it has missed when it resumes."""

from __future__ import annotations

from typing import NamedTuple

from api.entities.selection import Selection
from api.live.cursor import Cursor
from api.live.replay_buffer import Entry
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant
from twin.state.freshness import Freshness
from twin.wire.messages import Update


class Shown(NamedTuple):
    """A value as it is at one moment."""

    update: Update
    freshness: Freshness


class Aged(NamedTuple):
    """A value that is less fresh than it was, by age alone."""

    due: Instant  #: when it became so
    update: Update
    freshness: Freshness


class Snapshot(NamedTuple):
    """Everything that a subscriber asked for, as it was in the step in which it joined."""

    values: list[Shown]
    alarms: list[AlarmEvent]  #: that are not normal
    cursor: Cursor


class Missed(NamedTuple):
    """What a subscriber that resumes has missed: values that aged meanwhile, then what the log told."""

    aged: list[Aged]  #: in that order; of what the log told since there is none
    entries: list[Entry]
    selection: Selection
    cursor: Cursor
