"""Acknowledgement of an incident: of all its alarms that wait for it, at once."""

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
    """The outcomes of the commands to the alarms of an incident, by alarm."""

    done: list[str]
    refused: list[tuple[str, str]]  #: alarm and reason
    unanswered: list[str]


def awaits_acknowledgement(event: AlarmEvent) -> bool:
    """Whether an alarm waits for an acknowledgement."""
    return event.state in _WAITING


async def acknowledge_incident(
    context: ApiContext, alarms: list[AlarmEvent], actor: str, *, key: str, text: str = ""
) -> IncidentAcknowledgement:
    """Acknowledge the present occurrence of each alarm that waits for it; once for the same key.

    Raises a problem (503) when the log does not confirm the commands.
    """
    now = context.clock()
    commands = [
        AlarmCommand(
            command_id(actor, f"{event.alarm}~{event.occurrence}", "acknowledge", key),
            event.alarm,
            event.entity,
            "acknowledge",
            actor,
            now,
            event.occurrence,
            None,
            text,
            int(event.worst_known),
        )
        for event in alarms
        if awaits_acknowledgement(event)
    ]
    results = await context.command_gateway.send_commands(commands)
    acknowledgement = IncidentAcknowledgement([], [], [])
    for command, result in zip(commands, results, strict=True):
        match result.outcome:
            case "done":
                acknowledgement.done.append(command.alarm)
            case "refused":
                acknowledgement.refused.append((command.alarm, result.refusal))
            case "unanswered":
                acknowledgement.unanswered.append(command.alarm)
    return acknowledgement
