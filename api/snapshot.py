"""Snapshots: what a subscriber is given when it joins, and what it has missed when it resumes."""

from __future__ import annotations

from typing import NamedTuple

from api.cursor import Cursor
from api.ring import Entry
from api.selection import Selection
from twin.alarms.messages import AlarmEvent
from twin.freshness import Freshness
from twin.messages import Update


class Shown(NamedTuple):
    """A value as it is at one moment."""

    update: Update
    freshness: Freshness


class Snapshot(NamedTuple):
    """Everything that a subscriber asked for, as it was in the step in which it joined."""

    values: list[Shown]
    alarms: list[AlarmEvent]  #: that are not normal
    cursor: Cursor


class Missed(NamedTuple):
    """What a subscriber that resumes has missed: what the log told, then values that aged meanwhile."""

    entries: list[Entry]
    aged: list[Shown]
    selection: Selection
    cursor: Cursor
