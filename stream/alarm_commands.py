"""What people command, applied to an alarm. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twin.alarms.alarm import Alarm, TransitionContext
from twin.alarms.messages import AlarmCommand, AlarmEvent
from twin.alarms.state_machine import TransitionRefused, Trigger
from twin.instant import Instant


def apply_command(
    alarm: Alarm | None, command: AlarmCommand, now: Instant, revision: int
) -> AlarmEvent | TransitionRefused:
    """Return what a command does to an alarm, or why it does nothing."""
    if alarm is None or not alarm.has_history:
        return TransitionRefused(f"there is no alarm {command.alarm}, or it was never raised")
    if command.occurrence not in (0, alarm.occurrence):
        return TransitionRefused(
            f"the command is for occurrence {command.occurrence}, the present one is {alarm.occurrence}"
        )
    cause = TransitionContext(command.time, now, revision, False, command.actor, command.text, command.id)
    if command.action == "shelve":
        if command.until is None or command.until <= now:
            return TransitionRefused("shelving needs a time in the future until which it lasts")
        return alarm.shelve(command.until, cause)
    act = _ACTIONS.get(command.action)
    if act is None:
        return TransitionRefused(
            f"found action {command.action!r}, expected one of {', '.join(sorted(_ACTIONS))}"
        )
    return act(alarm, cause)


def _assign(alarm: Alarm, cause: TransitionContext) -> AlarmEvent | TransitionRefused:
    alarm.assignee = cause.text
    return alarm.emit("assigned", cause)


_ACTIONS: Mapping[str, Callable[[Alarm, TransitionContext], AlarmEvent | TransitionRefused]] = {
    "acknowledge": Alarm.acknowledge,
    "unshelve": Alarm.unshelve,
    "assign": _assign,
    "comment": lambda alarm, cause: alarm.emit("commented", cause),
    "reset": lambda alarm, cause: alarm.apply_trigger(Trigger.RESET, "reset", cause),
    "remove": lambda alarm, cause: alarm.apply_trigger(Trigger.REMOVE, "removed", cause),
    "restore": lambda alarm, cause: alarm.apply_trigger(Trigger.RESTORE, "restored", cause),
}
