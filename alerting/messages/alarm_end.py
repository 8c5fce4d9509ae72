"""Why an alarm is over: because its values returned, or although its condition may still hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from twin.alarms.messages import RULE_FAULT, AlarmEvent, IncidentMember

_SILENCING_KINDS = frozenset({"shelved", "removed", "suppressed"})
"""Events after which an alarm that holds keeps its incident no longer open."""

_ENDING_KINDS = frozenset({"returned", "retracted", "withdrawn"})

_LATER_KINDS = frozenset(
    {
        "acknowledged",
        "reset",
        "shelved",
        "unshelved",
        "suppressed",
        "unsuppressed",
        "removed",
        "restored",
        "assigned",
        "commented",
    }
)
"""Events that change nothing of how an alarm that is over has ended."""


def with_known_end(event: AlarmEvent, known: AlarmEvent | None) -> AlarmEvent:
    """Return an event with the reason and the values with which the alarm has ended before.

    An acknowledgement follows the end, and has only a person and a comment of its own.
    """
    if known is None or event.kind not in _LATER_KINDS or known.kind not in _ENDING_KINDS:
        return event
    if event.active or known.active or event.occurrence != known.occurrence:
        return event
    return replace(event, kind=known.kind, actor=known.actor, text=known.text, operands=known.operands)


def is_set_aside(event: AlarmEvent | None) -> bool:
    """Whether an alarm ended because of its rule, not by its values."""
    return event is not None and (
        event.kind == "withdrawn" or (event.kind == "returned" and bool(event.text))
    )


def end_reason(member: IncidentMember, event: AlarmEvent, phrases: Mapping[str, str]) -> str:
    """Return why an alarm is over, and by whom, unless its values have returned."""
    match event.kind:
        case "withdrawn" if event.text.startswith(RULE_FAULT):
            reason = _by(phrases["rule changed"], event, phrases)
            return phrases["rule fault"].format(reason=reason)
        case "withdrawn":
            reason = phrases["rule deleted" if event.actor else "withdrawn"]
        case "returned" if event.text:
            reason = phrases["rule changed"]
        case "retracted":
            reason = phrases["retracted"]
        case _:
            reason = phrases.get(member.state, "") if member.active else ""
            if event.kind not in _SILENCING_KINDS:
                return reason
    return _by(reason, event, phrases)


def _by(reason: str, event: AlarmEvent, phrases: Mapping[str, str]) -> str:
    return phrases["by"].format(reason=reason, actor=event.actor) if reason and event.actor else reason
