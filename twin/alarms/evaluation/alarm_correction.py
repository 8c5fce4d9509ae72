"""Corrections of a rule's state on an entity, computed from stored history.

Storage evaluates a rule again over the points that it has, with the code of back-tests, and sends the result
to the alarm stage: after a point that was too late for the stage, and at the beginning of a log.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.alarms.evaluation.condition_state import ConditionState
from twin.alarms.evaluation.level_state import SeverityChange
from twin.instant import Instant


class AlarmRepair(NamedTuple):
    """A request to evaluate a rule on an entity again from stored history, from an event time on."""

    rule: str
    entity: str
    time: Instant


class AlarmCorrection(NamedTuple):
    """The state of a rule on an entity by stored history, and its severity changes up to that state.

    The stage applies it to an alarm whose last event is the one named here, and requests another repair
    otherwise.
    """

    rule: str
    entity: str
    rule_version: int
    occurrence: int  #: the last stored occurrence of the alarm; 0: none
    raised_time: Instant | None  #: of that occurrence, as it is stored
    worst: int  #: the worst severity of that occurrence, as it is stored
    since: Instant  #: the time from which history was evaluated: earlier occurrences stay
    changes_since: Instant  #: the time from which changes count; the episodes before it are past
    base: int  #: severity before that time
    changes: tuple[SeverityChange, ...]  #: up to the horizon of `condition`
    condition: ConditionState
    #: of the newest event of the alarm that storage had; 0: none. At the end: older records lack it
    last_revision: int = 0
    #: whether it follows a change of points in storage, which may have withdrawn any point of the stage
    has_changes: bool = False
