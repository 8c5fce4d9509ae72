"""Acknowledging an incident: all of its alarms that wait for it, at once."""

from __future__ import annotations

from typing import NamedTuple

from api.alarms.command_gateway import command_id
from api.context import ApiContext
from twin.alarms.messages import AlarmCommand, AlarmEvent
from twin.alarms.state_machine import AlarmState

_WAITING = frozenset(
    {
        AlarmState.UNACKNOWLEDGED,
        AlarmState.RETURNED_UNACKNOWLEDGED,
        AlarmState.LATCHED_UNACKNOWLEDGED,
    }
)


class IncidentAcknowledgement(NamedTuple):
    """What became of the alarms of an incident."""

    done: list[str]
    refused: list[tuple[str, str]]  #: alarm and reason
    unanswered: list[str]


def awaits_acknowledgement(event: AlarmEvent) -> bool:
    """Whether an alarm waits for somebody to say that they know."""
    return event.state in _WAITING


async def acknowledge_incident(
    context: ApiContext, alarms: list[AlarmEvent], actor: str, *, key: str, text: str = ""
) -> IncidentAcknowledgement:
    """Acknowledge the present occurrence of each alarm that waits for it; with the same key each once.

    Raises a problem (503) when the log does not confirm the commands.
    """
    now = context.clock()
    commands = [
        AlarmCommand(
            command_id(actor, f"{one.alarm}~{one.occurrence}", "acknowledge", key),
            one.alarm,
            one.entity,
            "acknowledge",
            actor,
            now,
            one.occurrence,
            None,
            text,
        )
        for one in alarms
        if awaits_acknowledgement(one)
    ]
    replies = await context.command_gateway.send_commands(commands)
    became = IncidentAcknowledgement([], [], [])
    for command, reply in zip(commands, replies, strict=True):
        match reply.outcome:
            case "done":
                became.done.append(command.alarm)
            case "refused":
                became.refused.append((command.alarm, reply.refusal))
            case "unanswered":
                became.unanswered.append(command.alarm)
    return became
