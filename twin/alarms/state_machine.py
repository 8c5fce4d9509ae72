"""The states of an alarm, after ISA-18.2 / IEC 62682, and the transitions between them.

The state machine is a table. A trigger that the table lacks is refused with a reason, so no illegal state is
reachable. The process continues while an alarm is shelved, suppressed or out of service: `active` is whether
the condition holds, and the state after the return follows from it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class AlarmState(StrEnum):
    """The states. The letters are those of ISA-18.2's diagram."""

    NORMAL = "normal"  #: A
    UNACKNOWLEDGED = "unacknowledged"  #: B: the condition holds, not acknowledged
    ACKNOWLEDGED = "acknowledged"  #: C: the condition holds, acknowledged
    RETURNED_UNACKNOWLEDGED = "returned-unacknowledged"  #: D: the condition ended before an acknowledgement
    LATCHED_UNACKNOWLEDGED = "latched-unacknowledged"  #: E: the condition ended; kept until a reset
    LATCHED_ACKNOWLEDGED = "latched-acknowledged"  #: F
    SHELVED = "shelved"  #: G: silenced by an operator for a time
    SUPPRESSED = "suppressed-by-design"  #: H: silenced by logic while it has no meaning
    OUT_OF_SERVICE = "out-of-service"  #: I: removed by a person until further notice


class Trigger(StrEnum):
    """The events that an alarm reacts to."""

    RAISE = "raise"  #: the condition begins to hold
    WORSEN = "worsen"  #: the severity is worse than all before: needs a new acknowledgement
    EASE = "ease"  #: the severity is milder
    RETURN = "return"  #: the condition ends
    RETRACT = "retract"  #: the condition never held: its data were corrected
    WITHDRAW = "withdraw"  #: no rule concerns the alarm any more
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"  #: by hand, or because its time has passed
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
_SILENCED = frozenset({AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE})
_S, _T = AlarmState, Trigger

# (state, trigger) → state; first the triggers of the process, then those of people and logic.
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
    **{(one, _T.SUPPRESS): _S.SUPPRESSED for one in _S if one not in _SILENCED},
    **{(one, _T.REMOVE): _S.OUT_OF_SERVICE for one in _S if one is not _S.OUT_OF_SERVICE},
}

# A latching alarm stays after its return.
_LATCHING = {
    (_S.UNACKNOWLEDGED, _T.RETURN): _S.LATCHED_UNACKNOWLEDGED,
    (_S.ACKNOWLEDGED, _T.RETURN): _S.LATCHED_ACKNOWLEDGED,
}

# A retraction after the return resets the alarm to normal.
_RETRACTED = frozenset({_S.RETURNED_UNACKNOWLEDGED, _S.LATCHED_UNACKNOWLEDGED, _S.LATCHED_ACKNOWLEDGED})

_RETURNS_TO_SERVICE = {
    (_S.SHELVED, _T.UNSHELVE),
    (_S.SUPPRESSED, _T.UNSUPPRESS),
    (_S.OUT_OF_SERVICE, _T.RESTORE),
}

NORMAL = AlarmStatus(AlarmState.NORMAL, False)


def next_status(
    standing: AlarmStatus, trigger: Trigger, *, latching: bool = False, acknowledged: bool = False
) -> AlarmStatus | TransitionRefused:
    """Return the status after a trigger, or why the trigger changes nothing.

    `acknowledged`: whether a person acknowledged the present occurrence at its present severity. It is known
    also while the alarm is shelved, suppressed or out of service, and decides its state afterwards.

    >>> next_status(NORMAL, Trigger.RAISE)
    AlarmStatus(state=<AlarmState.UNACKNOWLEDGED: 'unacknowledged'>, active=True)
    >>> next_status(NORMAL, Trigger.ACKNOWLEDGE)
    TransitionRefused(reason='acknowledge is not possible while the alarm is normal')
    """
    state, active = standing
    if trigger is Trigger.RETRACT and state in _RETRACTED:
        return NORMAL
    if trigger is Trigger.WITHDRAW and standing != NORMAL:
        return NORMAL
    if trigger in _PROCESS:
        return _process(standing, trigger, latching=latching)
    if (state, trigger) in _RETURNS_TO_SERVICE:
        holding = AlarmState.ACKNOWLEDGED if acknowledged else AlarmState.UNACKNOWLEDGED
        return AlarmStatus(holding if active else AlarmState.NORMAL, active)
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
    if state in _SILENCED:
        return AlarmStatus(state, holds)
    found = _LATCHING.get((state, trigger)) if latching else None
    return AlarmStatus(found or _TABLE[state, trigger], holds)
