"""What people command, applied to an alarm. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twin.alarms.alarm import Alarm, Cause
from twin.alarms.messages import AlarmEvent, Command
from twin.alarms.state_machine import Refused, Trigger
from twin.instant import Instant


def obey(alarm: Alarm | None, command: Command, now: Instant, revision: int) -> AlarmEvent | Refused:
    """Return what a command does to an alarm, or why it does nothing."""
    if alarm is None or not alarm.is_worth_keeping:
        return Refused(f"there is no alarm {command.alarm}, or it was never raised")
    if command.occurrence not in (0, alarm.occurrence):
        return Refused(
            f"the command is for occurrence {command.occurrence}, the present one is {alarm.occurrence}"
        )
    cause = Cause(command.time, now, revision, False, command.actor, command.text, command.id)
    if command.action == "shelve":
        if command.until is None or command.until <= now:
            return Refused("shelving needs a time in the future until which it lasts")
        return alarm.shelve(command.until, cause)
    act = _ACTIONS.get(command.action)
    if act is None:
        return Refused(f"found action {command.action!r}, expected one of {', '.join(sorted(_ACTIONS))}")
    return act(alarm, cause)


def _assign(alarm: Alarm, cause: Cause) -> AlarmEvent | Refused:
    alarm.assignee = cause.text
    return alarm.tell("assigned", cause)


_ACTIONS: Mapping[str, Callable[[Alarm, Cause], AlarmEvent | Refused]] = {
    "acknowledge": Alarm.acknowledge,
    "unshelve": Alarm.unshelve,
    "assign": _assign,
    "comment": lambda alarm, cause: alarm.tell("commented", cause),
    "reset": lambda alarm, cause: alarm.pull(Trigger.RESET, "reset", cause),
    "remove": lambda alarm, cause: alarm.pull(Trigger.REMOVE, "removed", cause),
    "restore": lambda alarm, cause: alarm.pull(Trigger.RESTORE, "restored", cause),
}
