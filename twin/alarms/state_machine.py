"""The states of an alarm, after ISA-18.2 / IEC 62682, and what leads from one to another.

The state machine is a table. What the table does not have is refused with a reason, so no illegal state can
be reached. While an alarm is shelved, suppressed or out of service the process goes on:
`active` tells whether the condition holds, and coming back the alarm is what the process is then.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class AlarmState(StrEnum):
    """The states. The letters are those of ISA-18.2's diagram."""

    NORMAL = "normal"  #: A
    UNACKNOWLEDGED = "unacknowledged"  #: B: it is wrong, and nobody has said that they know
    ACKNOWLEDGED = "acknowledged"  #: C: it is wrong, and somebody knows
    RETURNED_UNACKNOWLEDGED = "returned-unacknowledged"  #: D: right again before anybody said they know
    LATCHED_UNACKNOWLEDGED = "latched-unacknowledged"  #: E: right again, kept until it is reset
    LATCHED_ACKNOWLEDGED = "latched-acknowledged"  #: F
    SHELVED = "shelved"  #: G: an operator does not want to hear of it for a while
    SUPPRESSED = "suppressed-by-design"  #: H: logic says that it means nothing now
    OUT_OF_SERVICE = "out-of-service"  #: I: somebody took it out, until further notice


class Trigger(StrEnum):
    """What happens to an alarm."""

    RAISE = "raise"  #: the condition begins to hold
    WORSEN = "worsen"  #: it holds at a greater severity than any before: what was acknowledged is new again
    EASE = "ease"  #: it holds at a smaller severity
    RETURN = "return"  #: it does not hold any more
    RETRACT = "retract"  #: it never held: what raised it was corrected
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"  #: by hand, or because its time is over
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    REMOVE = "remove"  #: from service
    RESTORE = "restore"  #: to service


class AlarmStatus(NamedTuple):
    """The state of an alarm and whether its condition holds."""

    state: AlarmState
    active: bool


class TransitionRefused(NamedTuple):
    """Why a trigger changes nothing."""

    reason: str


_PROCESS = frozenset({Trigger.RAISE, Trigger.WORSEN, Trigger.EASE, Trigger.RETURN, Trigger.RETRACT})
_ASIDE = frozenset({AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE})
_S, _T = AlarmState, Trigger

# (state, trigger) → state; what the process does first, then what people and logic do.
_TABLE: dict[tuple[AlarmState, Trigger], AlarmState] = {
    (_S.NORMAL, _T.RAISE): _S.UNACKNOWLEDGED,
    (_S.RETURNED_UNACKNOWLEDGED, _T.RAISE): _S.UNACKNOWLEDGED,
    (_S.LATCHED_UNACKNOWLEDGED, _T.RAISE): _S.UNACKNOWLEDGED,
    (_S.LATCHED_ACKNOWLEDGED, _T.RAISE): _S.UNACKNOWLEDGED,
    (_S.UNACKNOWLEDGED, _T.WORSEN): _S.UNACKNOWLEDGED,
    (_S.ACKNOWLEDGED, _T.WORSEN): _S.UNACKNOWLEDGED,
    (_S.UNACKNOWLEDGED, _T.EASE): _S.UNACKNOWLEDGED,
    (_S.ACKNOWLEDGED, _T.EASE): _S.ACKNOWLEDGED,
    (_S.UNACKNOWLEDGED, _T.RETURN): _S.RETURNED_UNACKNOWLEDGED,
    (_S.ACKNOWLEDGED, _T.RETURN): _S.NORMAL,
    (_S.UNACKNOWLEDGED, _T.RETRACT): _S.NORMAL,
    (_S.ACKNOWLEDGED, _T.RETRACT): _S.NORMAL,
    (_S.UNACKNOWLEDGED, _T.ACKNOWLEDGE): _S.ACKNOWLEDGED,
    (_S.RETURNED_UNACKNOWLEDGED, _T.ACKNOWLEDGE): _S.NORMAL,
    (_S.LATCHED_UNACKNOWLEDGED, _T.ACKNOWLEDGE): _S.LATCHED_ACKNOWLEDGED,
    (_S.LATCHED_ACKNOWLEDGED, _T.RESET): _S.NORMAL,
    (_S.LATCHED_UNACKNOWLEDGED, _T.RESET): _S.NORMAL,
    (_S.UNACKNOWLEDGED, _T.SHELVE): _S.SHELVED,
    (_S.ACKNOWLEDGED, _T.SHELVE): _S.SHELVED,
    (_S.RETURNED_UNACKNOWLEDGED, _T.SHELVE): _S.SHELVED,
    (_S.SHELVED, _T.SHELVE): _S.SHELVED,
    **{(one, _T.SUPPRESS): _S.SUPPRESSED for one in _S if one not in _ASIDE},
    **{(one, _T.REMOVE): _S.OUT_OF_SERVICE for one in _S if one is not _S.OUT_OF_SERVICE},
}

# A latching alarm that returns stays.
_LATCHING = {
    (_S.UNACKNOWLEDGED, _T.RETURN): _S.LATCHED_UNACKNOWLEDGED,
    (_S.ACKNOWLEDGED, _T.RETURN): _S.LATCHED_ACKNOWLEDGED,
}

# What was retracted after it had returned is as if it had not been.
_RETRACTED = frozenset({_S.RETURNED_UNACKNOWLEDGED, _S.LATCHED_UNACKNOWLEDGED, _S.LATCHED_ACKNOWLEDGED})

_BACK = {
    (_S.SHELVED, _T.UNSHELVE),
    (_S.SUPPRESSED, _T.UNSUPPRESS),
    (_S.OUT_OF_SERVICE, _T.RESTORE),
}

NORMAL = AlarmStatus(AlarmState.NORMAL, False)


def next_status(
    standing: AlarmStatus, trigger: Trigger, *, latching: bool = False
) -> AlarmStatus | TransitionRefused:
    """Return what an alarm is after a trigger, or why the trigger changes nothing.

    >>> next_status(NORMAL, Trigger.RAISE)
    AlarmStatus(state=<AlarmState.UNACKNOWLEDGED: 'unacknowledged'>, active=True)
    >>> next_status(NORMAL, Trigger.ACKNOWLEDGE)
    TransitionRefused(reason='acknowledge is not possible while the alarm is normal')
    """
    state, active = standing
    if trigger is Trigger.RETRACT and state in _RETRACTED:
        return NORMAL
    if trigger in _PROCESS:
        return _process(standing, trigger, latching=latching)
    if (state, trigger) in _BACK:
        return AlarmStatus(AlarmState.UNACKNOWLEDGED if active else AlarmState.NORMAL, active)
    after = _TABLE.get((state, trigger))
    if after is None:
        return TransitionRefused(f"{trigger} is not possible while the alarm is {state}")
    return AlarmStatus(after, active)


def _process(standing: AlarmStatus, trigger: Trigger, *, latching: bool) -> AlarmStatus | TransitionRefused:
    state, active = standing
    if (trigger is Trigger.RAISE) == active:
        return TransitionRefused(
            f"{trigger} is not possible while the alarm is {'' if active else 'not '}active"
        )
    holds = trigger in (Trigger.RAISE, Trigger.WORSEN, Trigger.EASE)
    if state in _ASIDE:
        return AlarmStatus(state, holds)
    found = _LATCHING.get((state, trigger)) if latching else None
    return AlarmStatus(found or _TABLE[state, trigger], holds)
