"""Planted bugs that the simulated duty must find; each is one that the duty loop had, or could get."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from alerting.delivery.acknowledge_links import AcknowledgeLink
from alerting.incidents import incident_manager
from alerting.incidents.incident_manager import IncidentManager
from alerting.incidents.incident_state import IncidentState
from alerting.messages import message_text
from alerting.messages.alarm_end import is_set_aside
from alerting.messages.outgoing_message import AttemptResult, OutgoingMessage
from alerting.policy import escalation
from alerting.policy.hand_over import TurnChange, changed_turns
from alerting.policy.notification_policy import DutyContext, policy_of
from alerting.policy.storm_limit import RecipientTraffic, divide_due

Mutant = Callable[[pytest.MonkeyPatch], None]


def postpone_the_step_at_each_return(patch: pytest.MonkeyPatch) -> None:
    """An incident that comes and goes postpones its step each time (finding D1)."""
    reopen = escalation._reopen

    def mutated(state: IncidentState, context: DutyContext) -> IncidentState:
        after = reopen(state, context)
        return with_fields(after, due=context.now + policy_of(state, context.model).group_wait)

    patch.setattr(escalation, reopen.__name__, mutated)


def call_a_deleted_rule_an_all_clear(patch: pytest.MonkeyPatch) -> None:
    """The end of an alarm whose rule was deleted or changed is told as a recovery (finding D2)."""
    patch.setattr(message_text, is_set_aside.__name__, lambda event: False)


def acknowledge_whatever_is_open(patch: pytest.MonkeyPatch) -> None:
    """A link acknowledges everything of its incident (finding D3)."""
    patch.setattr(AcknowledgeLink, AcknowledgeLink.covers.__name__, lambda link, event: True)


def try_a_doubtful_message_again(patch: pytest.MonkeyPatch) -> None:
    """A message whose channel did not answer in time is tried again (finding D4)."""
    end = IncidentManager.end_attempt

    def mutated(self: IncidentManager, result: AttemptResult, now: int) -> Any:
        return end(self, replace(result, doubtful=False), now)

    patch.setattr(IncidentManager, end.__name__, mutated)


def keep_older_messages(patch: pytest.MonkeyPatch) -> None:
    """A newer message leaves the older ones of its incident waiting (finding D5)."""
    patch.setattr(IncidentManager, IncidentManager._withdraw_covered.__name__, lambda self, newer: newer)


def send_a_storm_one_by_one(patch: pytest.MonkeyPatch) -> None:
    """The storm limit does not hold anything."""

    def mutated(waiting: Iterable[OutgoingMessage], *rest: Any) -> list[list[OutgoingMessage]]:
        return [[one] for one in waiting if one.due <= rest[-1]]

    patch.setattr(incident_manager, divide_due.__name__, mutated)


def forget_the_storm_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    """What a recipient got is not remembered."""
    patch.setattr(
        IncidentManager, IncidentManager._traffic.__name__, lambda self, recipient: RecipientTraffic()
    )


def tell_of_a_hand_over_that_is_none(patch: pytest.MonkeyPatch) -> None:
    """Whoever is on call at the start is told that their duty begins."""

    def mutated(*arguments: Any) -> list[TurnChange]:
        return [one._replace(is_first=False) for one in changed_turns(*arguments)]

    patch.setattr(incident_manager, changed_turns.__name__, mutated)


def tell_of_open_incidents_and_not_of_their_end(patch: pytest.MonkeyPatch) -> None:
    """Whoever took over is not told that what was open then is over."""
    patch.setattr(
        IncidentManager, IncidentManager._on_hand_over_sent.__name__, lambda self, message, now: None
    )


MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        postpone_the_step_at_each_return,
        call_a_deleted_rule_an_all_clear,
        acknowledge_whatever_is_open,
        try_a_doubtful_message_again,
        keep_older_messages,
        send_a_storm_one_by_one,
        forget_the_storm_at_a_restart,
        tell_of_a_hand_over_that_is_none,
        tell_of_open_incidents_and_not_of_their_end,
    )
}
